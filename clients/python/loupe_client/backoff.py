"""Chooses the pause before a request is sent again."""

import email.utils
import random
import time
from collections.abc import Mapping

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 8.0


def pause_seconds(attempt: int, retry_after: float | None = None) -> float:
    """Return the pause after this failed attempt, of which the first is 0.

    Pauses double, and are shortened at random by up to a half, so that clients do not come back together. A
    `Retry-After` of the server is never undercut.
    """
    longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2**attempt)
    jittered = longest * random.uniform(0.5, 1)  # noqa: S311  no secret depends on it
    return jittered if retry_after is None else retry_after + jittered / 4


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a `Retry-After` header; None if there is none that can be read (RFC 9110)."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
