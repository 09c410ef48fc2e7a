"""Shows a run on a terminal, in a pipe, or as JSON lines."""

import json
import sys
from collections import deque
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text
from typing_extensions import Self

from loupe_client.command.fates import Counts, Fate
from loupe_client.command.items import Item
from loupe_client.models import Image

MOST_LISTED = 20
BAR_WIDTH, NAME_WIDTH = 28, 36
MARKS = {
    "done": ("✓", "green"),
    "skipped": ("-", "dim"),
    "refused": ("✗", "red"),
    "failed": ("✗", "red"),
    "planned": ("·", "cyan"),
}


def shown(text: object) -> str:
    """Return text without anything that could control a terminal: such characters are shown as codes."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(text)
    )


def sizes(image: Image | None) -> str:
    if image is None or not image.upscaled_dimensions:
        return ""
    text = f"{image.original_dimensions} → {image.upscaled_dimensions}"
    return text.replace("x", "\N{MULTIPLICATION SIGN}")


class PlainReporter:
    """One line for each file that has ended. The summary goes to the end."""

    shows_progress = False

    def __init__(self, out: TextIO) -> None:
        self.counts = Counts()
        self._out = out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.flush()

    def began(self, item: Item) -> None:
        """Nothing is shown before the end."""

    def progressed(self, item: Item, image: Image) -> None:
        """Nothing is shown before the end."""

    def ended(self, item: Item, fate: Fate) -> None:
        self.counts.add(fate)
        words = [f"{fate.kind:8}", shown(item.shown)]
        if fate.output:
            words += ["->", shown(fate.output)]
        words += [f"({text})" for text in (sizes(fate.image), shown(fate.message)) if text]
        self.say(" ".join(words))

    def say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def summary(self, *notes: str) -> None:
        self.say(sentence(self.counts))
        for note in notes:
            self.say(note)


class JsonReporter(PlainReporter):
    """One JSON object a line."""

    shows_progress = True

    def began(self, item: Item) -> None:
        self._print({"event": "started", "source": item.shown})

    def progressed(self, item: Item, image: Image) -> None:
        self._print(
            {"event": "progress", "source": item.shown, "image_id": image.id, "progress": image.progress}
        )

    def ended(self, item: Item, fate: Fate) -> None:
        self.counts.add(fate)
        image = fate.image
        line: dict[str, Any] = {"event": fate.kind, "source": item.shown, "message": fate.message}
        line["output"] = str(fate.output) if fate.output else None
        line["is_new"] = fate.is_new
        line["image_id"] = image.id if image else None
        line["dimensions"] = image.upscaled_dimensions if image else None
        self._print(line)

    def say(self, text: str) -> None:
        self._print({"event": "message", "message": text})

    def summary(self, *notes: str) -> None:
        self._print({"event": "summary", **vars(self.counts), "notes": list(notes)})

    def _print(self, line: dict[str, Any]) -> None:
        print(json.dumps(line), file=self._out, flush=True)


class BarReporter(PlainReporter):
    """A bar for all files, and one for each file under way. Lines about ended files scroll above them."""

    shows_progress = True

    def __init__(self, console: Console, total: int) -> None:
        super().__init__(sys.stdout)
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._before: deque[Text] = deque(maxlen=MOST_LISTED)
        width = min(NAME_WIDTH, console.width // 3)
        self._name_width = width
        self._files = Progress(
            TextColumn("{task.description}", table_column=Column(width=width, no_wrap=True)),
            BarColumn(bar_width=BAR_WIDTH, complete_style="cyan", finished_style="cyan"),
            TextColumn("{task.fields[state]}", style="dim"),
            console=console,
        )
        self._all = Progress(
            TextColumn("[bold]all files", table_column=Column(width=width)),
            BarColumn(bar_width=BAR_WIDTH, complete_style="green", finished_style="green"),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
        )
        self._overall = self._all.add_task("", total=total)
        self._live = Live(Group(self._files, self._all), console=console, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def began(self, item: Item) -> None:
        name = shortened(shown(item.shown), self._name_width)
        self._tasks[item.source] = self._files.add_task(escape(name), total=100, state="sending")

    def progressed(self, item: Item, image: Image) -> None:
        if item.source in self._tasks:
            self._files.update(self._tasks[item.source], completed=image.progress, state=state_of(image))

    def ended(self, item: Item, fate: Fate) -> None:
        self.counts.add(fate)
        if (task := self._tasks.pop(item.source, None)) is not None:
            self._files.remove_task(task)
        if fate.is_new:
            self._console.print(line_of(item, fate), soft_wrap=True)
        elif fate.kind != "done":
            self._before.append(line_of(item, fate))
        self._all.update(self._overall, completed=sum(vars(self.counts).values()))

    def say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def summary(self, *notes: str) -> None:
        for line in self._before:
            self._console.print(line, soft_wrap=True)
        self._console.print(Text(sentence(self.counts), "bold"))
        for note in notes:
            self._console.print(Text(note), soft_wrap=True)


def line_of(item: Item, fate: Fate) -> Text:
    """Return the line about a file that has ended."""
    mark, style = MARKS[fate.kind]
    line = Text.assemble((f"{mark} ", style), shown(item.shown))
    if fate.output:
        line.append(" → ", "dim").append(shown(fate.output))
    for text in (sizes(fate.image), "" if fate.image and fate.kind == "done" else shown(fate.message)):
        if text:
            line.append(f"  {text}", "red" if fate.kind in ("refused", "failed") else "dim")
    return line


def state_of(image: Image) -> str:
    if image.status == "processing":
        return f"{image.progress} %"
    if image.status == "pending":
        return f"place {image.queue_position} in the queue" if image.queue_position else "waiting"
    return "downloading" if image.status == "completed" else image.status


def shortened(name: str, length: int) -> str:
    return name if len(name) <= length else f"…{name[1 - length :]}"


def sentence(counts: Counts) -> str:
    """Return the counts as a sentence."""
    words = [
        f"{number} {text}"
        for number, text in (
            (counts.planned, "would be upscaled"),
            (counts.done, "upscaled"),
            (counts.before, "done before"),
            (counts.skipped, "skipped"),
            (counts.refused, "refused"),
            (counts.failed, "failed"),
        )
        if number
    ]
    return f"{', '.join(words) or 'nothing to do'}."


def table_of(columns: list[str], rows: list[list[str]]) -> Table:
    """Return a table without lines, as `ls` and others show it."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
