"""Prints the answers of commands: JSON for scripts, and text, tables and pages for people."""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from common import timestamps
from gateway.admin.tables import Page, Table, printable


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a command: an object for scripts, and the same for people."""

    data: Mapping[str, Any]
    blocks: tuple[str | Table | Page, ...]

    def __init__(self, data: Mapping[str, Any], *blocks: str | Table | Page) -> None:
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "blocks", blocks)

    def print(self, *, as_json: bool) -> None:
        """Print the object on one line, or the blocks, no wider than the terminal."""
        if as_json:
            print(json.dumps(self.data))  # noqa: T201  the output of the command
            return
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for block in self.blocks:
            for line in _lines(block, width):
                print(line)  # noqa: T201  the output of the command


def to_json(message: Message) -> dict[str, Any]:
    """Return the message as JSON with all its fields: numbers are numbers, and null is what is absent."""
    return {field.name: _field_to_json(message, field) for field in message.DESCRIPTOR.fields}


def instant(message: Message, name: str) -> datetime | None:
    """Return the instant in a field, or None if it is absent."""
    return timestamps.from_proto(getattr(message, name)) if message.HasField(name) else None


def number(message: Message, name: str) -> int | None:
    """Return the number in an optional field, or None if it is absent."""
    return getattr(message, name) if message.HasField(name) else None


def in_utc(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "-"


def _lines(block: str | Table | Page, width: int | None) -> list[str]:
    match block:
        case str():
            return [printable(line) for line in block.split("\n")]
        case Table():
            return block.lines(width)
        case Page():
            return block.lines()


def _field_to_json(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_value_to_json(one, field) for one in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value_to_json(value, field)


def _value_to_json(value: Any, field: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Message):
        return to_json(value)
    if field.enum_type:
        return enum_name(value, field.enum_type)
    return value


def enum_name(value: int, kind: Any) -> str:
    """Return the name of an enumeration's value as people write it: `completed` for STATUS_COMPLETED."""
    name = kind.values_by_number[value].name if value in kind.values_by_number else str(value)
    return name.removeprefix(f"{kind.name.upper()}_").lower()
