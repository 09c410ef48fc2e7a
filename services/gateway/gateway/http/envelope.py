"""The JSON shape of every answer."""

import re
from typing import Generic, TypeVar

from pydantic import BaseModel

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
