"""Conversion between aware datetimes in UTC and protobuf timestamps."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def to_proto(instant: datetime | None) -> Timestamp | None:
    """Return None for None, so that the field stays absent."""
    if instant is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp


def from_proto(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


def parse(text: str) -> Timestamp:
    """Return the instant in RFC 3339. Raise `ValueError` if the text is none."""
    stamp = Timestamp()
    stamp.FromJsonString(text)
    return stamp
