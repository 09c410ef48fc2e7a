"""A job for `loupe upscale`: the choices of a person, which a folder of results remembers for `--resume`."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from loupe_client.command import piped
from loupe_client.command.items import Item, Naming, items_of, naming_of
from loupe_client.command.manifest import NAME, Manifest
from loupe_client.errors import InvalidInput
from loupe_client.pictures import format_of, is_same_format

SIZE = re.compile(r"(\d{1,5})?x(\d{1,5})?")


@dataclass(frozen=True)
class Job:
    """The choices of the person for one run."""

    sources: list[str]
    options: dict[str, Any]
    output: str | None
    recursive: bool

    @property
    def label(self) -> str:
        """Return what the names of results beside their originals get."""
        if scale := self.options.get("scale"):
            return f"@{scale}x"
        width, height = self.options.get("width"), self.options.get("height")
        return f"@{width or ''}x{height or ''}" if width or height else "@2x"

    def naming(self) -> Naming:
        return naming_of(self.sources, self.output, self.label, self.options.get("format"))

    def items(self) -> Iterator[Item]:
        return items_of(self.sources, self.naming(), recursive=self.recursive)

    def count(self) -> int:
        """Return how many items there are. Raise `InvalidInput` if a source does not exist."""
        return sum(1 for _ in self.items())


def new_job(
    sources: list[str] | None, options: dict[str, Any], output: str | None, *, recursive: bool
) -> Job:
    """Return a job with the format that the name of its one result asks for."""
    if not sources:
        raise typer.BadParameter("name a file, a folder or a link; --resume goes on with the last run")
    if piped.SOURCE in sources:
        raise typer.BadParameter(
            "standard input (-) is one picture: name it alone; a file of this name is ./-"
        )
    job = Job(sources, options, output, recursive)
    naming = job.naming()
    if not naming.is_file or not naming.output or "format" in options:
        return job
    suffix, wanted = Path(sources[0]).suffix, format_of(naming.output.suffix)
    if wanted is None or is_same_format(suffix, naming.output.suffix):
        return job
    return Job(sources, options | {"format": wanted}, output, recursive)


def exact_size(text: str | None, scale: int | None) -> dict[str, int]:
    """Return width and height of `3840x2160`, `3840x` or `x2160`, with which there is no scale."""
    if text is None:
        return {}
    if scale is not None:
        raise typer.BadParameter("--scale and --size exclude each other", param_hint="--size")
    found = SIZE.fullmatch(text.lower().replace("\N{MULTIPLICATION SIGN}", "x"))
    if not found or not any(found.groups()):
        raise typer.BadParameter("it is written as 3840x2160, 3840x or x2160", param_hint="--size")
    sides = {"width": found[1], "height": found[2]}
    return {name: int(side) for name, side in sides.items() if side}


def resumed(output: str | None) -> Job:
    """Return the last run whose results are in a folder. Raise `InvalidInput` if there is none."""
    folder = Path(output or ".")
    stored = None
    if (folder / NAME).exists():
        manifest = Manifest(folder)
        stored = manifest.last_run()
        manifest.close()
    if not stored:
        raise InvalidInput(f"No run has put results into {folder}. Name its folder with -o.")
    sources = [from_here(each) for each in stored["sources"]]
    return Job(sources, stored["options"], output or ".", stored["recursive"])


def from_here(place: str) -> str:
    """Return a path as it is named from the current folder, if it is below it. A link stays as it is."""
    path = Path(place)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else place


def remember(job: Job) -> None:
    """Store the run, for `--resume`, in the folder that `-o` names."""
    naming = job.naming()
    if naming.output and not naming.is_file:
        places = [str(Path(each).absolute()) if Path(each).exists() else each for each in job.sources]
        stored = {"sources": places, "options": job.options, "recursive": job.recursive}
        manifest = Manifest(naming.output)
        manifest.remember_run(stored)
        manifest.close()


def going_on(job: Job) -> str:
    """Return the command that goes on with a run."""
    naming = job.naming()
    if naming.output and not naming.is_file:
        return f"loupe upscale --resume -o {shlex.quote(str(naming.output))}"
    return "the same command again; finished files are skipped"
