"""The format of single values in answers."""

from google.protobuf.timestamp_pb2 import Timestamp

from common import timestamps


def format_time(stamp: Timestamp) -> str:
    """Format a time in UTC, with six fractional digits and `Z`."""
    return f"{timestamps.from_proto(stamp).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def format_size(size: int) -> str:
    """Format bytes in units of 1024 with at most two decimals: `512 B`, `1.95 MB`, `2 MB`."""
    units = ("B", "KB", "MB", "GB")
    scaled, unit = float(size), 0
    while scaled >= 1024 and unit < len(units) - 1:
        scaled, unit = scaled / 1024, unit + 1
    return f"{scaled:.2f}".rstrip("0").rstrip(".") + f" {units[unit]}"
