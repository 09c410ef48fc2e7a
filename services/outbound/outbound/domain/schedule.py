"""Decides when a failed delivery is made again, and when a webhook is disabled."""

import random
from datetime import timedelta

PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)))
)
"""The pause after each failed attempt. After the last one the delivery has failed."""
JITTER = 0.1
"""The most by which a pause is longer, as a share. Deliveries that failed together then return apart."""
LONGEST_RETRY_AFTER = timedelta(hours=1)
FAILING_FOR = timedelta(days=5)
"""Time without a success after which a webhook is disabled."""


def pause_after(attempt: int, retry_after: timedelta) -> timedelta | None:
    """Return the pause after this attempt, counted from 1, or None if it was the last one.

    A pause that the receiver requests counts up to an hour, if it is longer.
    """
    if attempt > len(PAUSES):
        return None
    pause = PAUSES[attempt - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311  not for secrets
    return max(pause, min(retry_after, LONGEST_RETRY_AFTER))
