"""`loupe upscale`: from the command line to a run, and from its end to an exit code."""

import asyncio
import logging
import sys

import typer
from rich.console import Console

from loupe_client.command import exits, piped
from loupe_client.command import upscale_options as given
from loupe_client.command.context import JsonOption, ServerOption, async_client_of
from loupe_client.command.job import Job, exact_size, going_on, new_job, remember, resumed
from loupe_client.command.run import Run
from loupe_client.command.terminal import BarReporter, JsonReporter, PlainReporter

LONGEST_PAUSE_SECONDS = 3700.0
"""A run waits for the next hour if the limit of this one is reached."""
SHOWN_PAUSE_SECONDS = 3.0
Reporting = PlainReporter | JsonReporter | BarReporter


def register(app: typer.Typer) -> None:
    app.command("upscale")(upscale)


def upscale(
    sources: given.Sources = None,
    scale: given.Scale = None,
    size: given.Size = None,
    model: given.Model = None,
    precision: given.Precision = None,
    denoise: given.Denoise = None,
    strength: given.Strength = None,
    output_format: given.Format = None,
    quality: given.Quality = None,
    fit: given.Fit = None,
    metadata: given.Metadata = None,
    dpi: given.Dpi = None,
    expires_in: given.ExpiresIn = None,
    output: given.Output = None,
    recursive: given.Recursive = False,
    resume: given.Resume = False,
    dry_run: given.DryRun = False,
    retry_refused: given.RetryRefused = False,
    overwrite: given.Overwrite = False,
    jobs: given.Jobs = 8,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> int:
    """Upscale files, folders and links, or the picture on standard input (-).

    Without -o the result of photo.jpg is photo@2x.jpg beside it, and that of the folder holiday is the folder
    holiday@2x, or @4x with --scale 4. The same command goes on after an interruption, and repeats nothing.
    """
    options = {"scale": scale, "model": model, "format": output_format, "quality": quality, "fit": fit}
    options |= {"denoise": denoise, "strength": strength, "precision": precision, "metadata": metadata}
    options |= {"dpi": dpi, "expires_in": expires_in, **exact_size(size, scale)}
    chosen = {name: value for name, value in options.items() if value is not None}
    if sources == [piped.SOURCE] and not resume:
        return piped.upscale(server, chosen, output, overwrite=overwrite, dry_run=dry_run)
    job = resumed(output) if resume else new_job(sources, chosen, output, recursive=recursive)
    reporter = reporter_of(job.count(), as_json=as_json)
    client = async_client_of(server, LONGEST_PAUSE_SECONDS)
    run = Run(client, job.options, reporter, jobs, overwrite, retry_refused)
    return planned(run, job) if dry_run else performed(run, job, reporter)


def reporter_of(total: int, *, as_json: bool) -> Reporting:
    if as_json:
        return JsonReporter(sys.stdout)
    console = Console(highlight=False)
    return BarReporter(console, total) if console.is_terminal else PlainReporter(sys.stdout)


def planned(run: Run, job: Job) -> int:
    """Say what a run would do, without a request that costs something."""
    asyncio.run(run.plan(job.items()))
    run.reporter.summary("Nothing was sent.")
    return exits.DONE if run.reporter.counts.are_all_well else exits.SOME_FAILED


def performed(run: Run, job: Job, reporter: Reporting) -> int:
    """Make the run, show its end, and return its exit code."""
    remember(job)
    handler = Pauses(reporter)
    logger = logging.getLogger("loupe_client")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with reporter:
            asyncio.run(run.all(job.items()))
    except KeyboardInterrupt:
        reporter.summary("Stopped. What was sent goes on at the server.", f"Go on with: {going_on(job)}")
        return exits.INTERRUPTED
    finally:
        logger.removeHandler(handler)
    if run.stopped_by:
        advice = [each for each in [exits.advice_of(run.stopped_by)] if each]
        rest = f"The rest was not tried: {run.stopped_by}"
        reporter.summary(rest, *advice, f"Go on with: {going_on(job)}")
        return exits.code_of(run.stopped_by)
    reporter.summary()
    return exits.DONE if reporter.counts.are_all_well else exits.SOME_FAILED


class Pauses(logging.Handler):
    """Shows the user why nothing happens for a while."""

    def __init__(self, reporter: Reporting) -> None:
        super().__init__(logging.INFO)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        pause = getattr(record, "pause_seconds", 0.0)
        if pause >= SHOWN_PAUSE_SECONDS:
            self._reporter.say(record.getMessage())
