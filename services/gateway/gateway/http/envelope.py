"""The JSON shape of every answer, and the format of single values in it."""

import re
from typing import Generic, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel

from common import timestamps

Data = TypeVar("Data")


class Message(BaseModel):
    success: bool = True
    message: str


class Envelope(BaseModel, Generic[Data]):
    success: bool = True
    message: str
    data: Data


class Meta(BaseModel):
    current_page: int
    last_page: int
    per_page: int
    total: int


class Links(BaseModel):
    first: str
    last: str
    prev: str | None
    next: str | None


class Page(BaseModel, Generic[Data]):
    success: bool = True
    message: str
    data: list[Data]
    meta: Meta
    links: Links


class Problem(BaseModel):
    """The body of every error. `errors` is there only if single fields are invalid."""

    success: bool = False
    message: str
    errors: dict[str, list[str]] | None = None
    code: str
    request_id: str


def parse_id(text: str) -> int:
    """Parse an id from a path: digits without leading zeros, at most 63 bits. Raise ValueError otherwise."""
    if not re.fullmatch(r"[1-9][0-9]{0,18}", text) or int(text) >= 1 << 63:
        raise ValueError("not an id")
    return int(text)


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
