"""The format of single values in answers."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from common import timestamps
from rest.values import format_size, format_time


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (100, "100 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1024, "1 KB"),
        (1025, "1 KB"),
        (1536, "1.5 KB"),
        (10_240, "10 KB"),
        (102_400, "100 KB"),
        (1_048_576, "1 MB"),
        (2_044_723, "1.95 MB"),
        (2 << 20, "2 MB"),
        (8_189_378, "7.81 MB"),
        (10_485_760, "10 MB"),
        (1 << 30, "1 GB"),
        (5000 << 30, "5000 GB"),
    ],
)
def test_human_size(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2025, 1, 15, 10, 30, tzinfo=UTC), "2025-01-15T10:30:00.000000Z"),
        (datetime(2025, 1, 15, 10, 30, 0, 1, tzinfo=UTC), "2025-01-15T10:30:00.000001Z"),
        (datetime(2025, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2))), "2024-12-31T22:30:00.000000Z"),
        (datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC), "2024-02-29T23:59:59.999999Z"),
    ],
)
def test_times_are_utc_with_six_digits(moment: datetime, text: str) -> None:
    stamp = timestamps.to_proto(moment)

    assert stamp
    assert format_time(stamp) == text
