"""`loupe upscale`: from the command line to a run, and from its end to an exit code."""

import asyncio
import logging
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from loupe_client.command import exits
from loupe_client.command.context import JsonOption, ServerOption, async_client_of
from loupe_client.command.items import Item, Naming, count_of, items_of, naming_of
from loupe_client.command.manifest import NAME, Manifest
from loupe_client.command.run import Run
from loupe_client.command.terminal import BarReporter, JsonReporter, PlainReporter
from loupe_client.errors import InvalidInput
from loupe_client.pictures import format_of, is_same_format

SIZE = re.compile(r"(\d{1,5})?x(\d{1,5})?")
LONGEST_PAUSE_SECONDS = 3700.0
"""A run waits for the next hour if the limit of this one is reached."""
SHOWN_PAUSE_SECONDS = 3.0
Reporting = PlainReporter | JsonReporter | BarReporter


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


def register(app: typer.Typer) -> None:
    app.command("upscale")(upscale)


def upscale(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="FILE|FOLDER|URL…", show_default=False)
    ] = None,
    scale: Annotated[int | None, typer.Option(min=2, max=4, help="2, 3 or 4; by default 2.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="The exact size: 3840x2160, 3840x or x2160.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model that `loupe models` lists; by default auto.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="exact for single precision; by default auto.")
    ] = None,
    denoise: Annotated[
        int | None, typer.Option(min=0, max=3, help="How much noise clean and art take away.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option(min=0, max=1, help="How much of enhance; the rest is faithful.")
    ] = None,
    output_format: Annotated[
        str | None, typer.Option("--format", help="The format of the results, such as png.")
    ] = None,
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, help="For JPEG, WebP, AVIF and JPEG XL.")
    ] = None,
    fit: Annotated[
        str | None, typer.Option(help="stretch, cover or contain: how another aspect ratio fills a size.")
    ] = None,
    metadata: Annotated[str | None, typer.Option(help="keep or strip EXIF data; by default strip.")] = None,
    dpi: Annotated[int | None, typer.Option(min=1, max=65535, help="The resolution for print.")] = None,
    expires_in: Annotated[
        int | None, typer.Option(min=60, help="The server deletes each image so many seconds after its end.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="PLACE", help="A folder for the results, or a file for one result."
        ),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Enter the folders in folders.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last run whose results are in --output.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be done.")] = False,
    retry_refused: Annotated[
        bool, typer.Option("--retry-refused", help="Send files again that an earlier run saw refused.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are no results of this command.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=40, help="Files under way at a time.")] = 8,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> int:
    """Upscale files, folders and links.

    Without -o the result of photo.jpg is photo@4x.jpg beside it, and that of the folder holiday is the folder
    holiday@4x. What is done already is skipped, so that the same command goes on after an interruption.
    """
    options = {"scale": scale, "model": model, "format": output_format, "quality": quality, "fit": fit}
    options |= {"denoise": denoise, "strength": strength, "precision": precision, "metadata": metadata}
    options |= {"dpi": dpi, "expires_in": expires_in, **exact_size(size)}
    given = {name: value for name, value in options.items() if value is not None}
    job = resumed(output) if resume else Job(sources or [], given, output, recursive)
    if not job.sources:
        raise typer.BadParameter("name a file, a folder or a link; --resume goes on with the last run")
    job = with_format_of_output(job)
    naming = job.naming()
    total = count_of(job.sources, naming, recursive=job.recursive)
    items = items_of(job.sources, naming, recursive=job.recursive)
    reporter = reporter_of(total, as_json=as_json)
    client = async_client_of(server, LONGEST_PAUSE_SECONDS)
    run = Run(client, job.options, reporter, jobs, overwrite, retry_refused)
    if dry_run:
        return planned(run, items)
    remember(job, naming)
    return performed(run, items, job, reporter)


def exact_size(text: str | None) -> dict[str, int]:
    """Return width and height of `3840x2160`, `3840x` or `x2160`."""
    if text is None:
        return {}
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


def remember(job: Job, naming: Naming) -> None:
    """Store the run, for `--resume`, in the folder that `-o` names or in the current one."""
    if naming.output and not naming.is_file:
        places = [str(Path(each).absolute()) if Path(each).exists() else each for each in job.sources]
        stored = {"sources": places, "options": job.options, "recursive": job.recursive}
        manifest = Manifest(naming.output)
        manifest.remember_run(stored)
        manifest.close()


def with_format_of_output(job: Job) -> Job:
    """Return the job with the format that the name of its one result asks for."""
    naming = job.naming()
    if not naming.is_file or not naming.output or "format" in job.options:
        return job
    suffix, wanted = Path(job.sources[0]).suffix, format_of(naming.output.suffix)
    if wanted is None or is_same_format(suffix, naming.output.suffix):
        return job
    return Job(job.sources, job.options | {"format": wanted}, job.output, job.recursive)


def reporter_of(total: int, *, as_json: bool) -> Reporting:
    if as_json:
        return JsonReporter(sys.stdout)
    console = Console(highlight=False)
    return BarReporter(console, total) if console.is_terminal else PlainReporter(sys.stdout)


def planned(run: Run, items: Iterator[Item]) -> int:
    """Say what a run would do, without a request that costs something."""
    asyncio.run(run.plan(items))
    run.reporter.summary("Nothing was sent.")
    return exits.DONE


def performed(run: Run, items: Iterator[Item], job: Job, reporter: Reporting) -> int:
    """Make the run, show its end, and return its exit code."""
    handler = Pauses(reporter)
    logger = logging.getLogger("loupe_client")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with reporter:
            asyncio.run(run.all(items))
    except KeyboardInterrupt:
        reporter.summary("Stopped. What was sent goes on at the server.", f"Go on with: {going_on(job)}")
        return exits.INTERRUPTED
    finally:
        logger.removeHandler(handler)
    if run.stopped_by:
        reporter.summary(f"The rest was not tried: {run.stopped_by}", f"Go on with: {going_on(job)}")
        return exits.code_of(run.stopped_by)
    reporter.summary()
    return exits.DONE if reporter.counts.are_all_well else exits.SOME_FAILED


def going_on(job: Job) -> str:
    """Return the command that goes on with a run."""
    naming = job.naming()
    if naming.output and not naming.is_file:
        return f"loupe upscale --resume -o {shlex.quote(str(naming.output))}"
    return "the same command again; finished files are skipped"


class Pauses(logging.Handler):
    """Shows the user why nothing happens for a while."""

    def __init__(self, reporter: Reporting) -> None:
        super().__init__(logging.INFO)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        pause = getattr(record, "pause_seconds", 0.0)
        if pause >= SHOWN_PAUSE_SECONDS:
            self._reporter.say(record.getMessage())
