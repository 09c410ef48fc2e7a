"""Counts what became of each file, and tells it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from loupe_client.command.items import Item
from loupe_client.models import Image

Kind = Literal["done", "skipped", "refused", "failed", "planned"]


@dataclass(frozen=True)
class Fate:
    """The end of one file in one run."""

    kind: Kind
    message: str
    output: Path | None = None
    image: Image | None = None
    is_new: bool = True
    """False if an earlier run has brought it about."""


@dataclass
class Counts:
    """The number of files by their fate."""

    done: int = 0
    before: int = 0
    """Done or refused by an earlier run."""
    skipped: int = 0
    refused: int = 0
    failed: int = 0
    planned: int = 0

    def add(self, fate: Fate) -> None:
        name = fate.kind if fate.is_new or fate.kind != "done" else "before"
        setattr(self, name, getattr(self, name) + 1)

    @property
    def are_all_well(self) -> bool:
        return not (self.refused or self.failed)


class Reporter(Protocol):
    """Shows a run to a person or to a program."""

    counts: Counts
    shows_progress: bool

    def began(self, item: Item) -> None: ...
    def progressed(self, item: Item, image: Image) -> None: ...
    def ended(self, item: Item, fate: Fate) -> None: ...
    def summary(self, *notes: str) -> None: ...
