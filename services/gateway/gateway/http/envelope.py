"""The shape of every answer, and how single values are written in it."""

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
    """Every error. `errors` only where a field is at fault."""

    success: bool = False
    message: str
    errors: dict[str, list[str]] | None = None
    code: str
    request_id: str


def plain_id(text: str) -> int:
    """An id as it stands in a path: digits, without a sign, a point or leading zeros, and within 63 bits."""
    if not re.fullmatch(r"[1-9][0-9]{0,18}", text) or int(text) >= 1 << 63:
        raise ValueError("no id")
    return int(text)


def instant(stamp: Timestamp) -> str:
    """UTC with six fractional digits and `Z`."""
    return f"{timestamps.from_proto(stamp).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def human_size(size: int) -> str:
    """1024-based, two decimals, trailing zeros trimmed: `512 B`, `1.95 MB`, `2 MB`."""
    units = ("B", "KB", "MB", "GB")
    scaled, unit = float(size), 0
    while scaled >= 1024 and unit < len(units) - 1:
        scaled, unit = scaled / 1024, unit + 1
    return f"{scaled:.2f}".rstrip("0").rstrip(".") + f" {units[unit]}"
