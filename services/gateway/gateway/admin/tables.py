"""Tables and pages for people. Text of users cannot send control characters to the terminal."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

GAP = "  "
SHORTEST_CELL = 12
"""A cell is shortened to this width at most."""


@dataclass(frozen=True, slots=True)
class Column:
    heading: str
    is_number: bool = False
    may_shorten: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings. Without rows, `if_empty` is printed instead."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[object]]
    if_empty: str

    def lines(self, width: int | None) -> list[str]:
        """Return the lines, at most `width` wide: shorten cells, else print each row as a page."""
        if not self.rows:
            return [self.if_empty]
        headings = [column.heading for column in self.columns]
        cells = [headings, *([cell(value) for value in row] for row in self.rows)]
        widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
        if width is not None and not self._shorten(widths, width):
            pages = [Page(list(zip(headings, row, strict=True))).lines() for row in self.rows]
            return [line for page in pages for line in (*page, "")][:-1]
        return [self._line(row, widths) for row in cells]

    def _shorten(self, widths: list[int], width: int) -> bool:
        """Shorten the widest of the columns that may be shortened, until all fit. Return whether they do."""
        flexible = [index for index, column in enumerate(self.columns) if column.may_shorten]
        while sum(widths) + len(GAP) * (len(widths) - 1) > width:
            widest = max(flexible, key=lambda index: widths[index], default=None)
            if widest is None or widths[widest] <= SHORTEST_CELL:
                return False
            widths[widest] -= 1
        return True

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        parts = [
            padded(shortened(text, width), width, to_right=column.is_number)
            for column, text, width in zip(self.columns, cells, widths, strict=True)
        ]
        return GAP.join(parts).rstrip()


@dataclass(frozen=True, slots=True)
class Page:
    """Facts about one thing: a label and a value on each line."""

    facts: Sequence[tuple[str, object]]

    def lines(self) -> list[str]:
        longest = max(width_of(label) for label, _ in self.facts)
        return [padded(label, longest) + GAP + cell(value) for label, value in self.facts]


def cell(value: object) -> str:
    """Return a value as text. Times are in UTC."""
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case list():
            return ", ".join(printable(str(one)) for one in value)
        case _:
            return printable(str(value))


def printable(text: str) -> str:
    """Replace control characters, line breaks and marks that change the direction of writing."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def width_of(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    return sum(map(_character_width, text))


def shortened(text: str, width: int) -> str:
    if width_of(text) <= width:
        return text
    while width_of(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def padded(text: str, width: int, *, to_right: bool = False) -> str:
    spaces = " " * (width - width_of(text))
    return spaces + text if to_right else text + spaces


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
