"""Instants as clients send them: RFC 3339."""

import re
from datetime import UTC, datetime

FORMAT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse(text: str) -> datetime | None:
    """Return the instant in UTC, or None if the text is none."""
    try:
        is_instant = FORMAT.fullmatch(text)
        return datetime.fromisoformat(text.upper()).astimezone(UTC) if is_instant else None
    except (ValueError, OverflowError):  # the 30th of February, or the year 0 in UTC
        return None
