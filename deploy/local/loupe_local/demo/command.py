"""The demo from the two options of a person to the results on disk."""

import asyncio
import re
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2

from loupe_local.demo import comparison, results
from loupe_local.demo.checks import Photo, check, parse_scale, read
from loupe_local.demo.connection import Connection, connect
from loupe_local.demo.errors import PhotoRefused
from loupe_local.demo.paths import locate, pictures_in, printable
from loupe_local.demo.report import Report
from loupe_local.demo.upscaling import Client, Upscaled
from loupe_local.demo.webhook import receiving
from loupe_local.stages import SILENT, Stages, on_terminal

LONGEST_NAME = 40
"""A longer file name is cut in the line that shows how far its photo is."""


async def run(
    folder: Path,
    photo: str | None,
    scale: str | None,
    *,
    only_check: bool = False,
    into: Path = results.FOLDER,
) -> None:
    """Upscale one photo, or those in a folder. `photo` and `scale` are what the person typed, if anything.

    `folder` is that of the local Loupe, and results are written to `into`. With `only_check`, nothing is
    upscaled. Raise `DemoFailed` if a photo could not be upscaled.
    """
    factor, path = parse_scale(scale), locate(photo)
    stages = on_terminal()
    is_silent = only_check and path.is_dir()  # the run that follows reports each file
    report = Report(stages=SILENT if is_silent else stages, folder=path if path.is_dir() else None, into=into)
    demo = Demo(report, stages, factor)
    photos = await demo.check(pictures_in(path))
    if only_check and photos:
        return
    if photos:
        await demo.upscale(folder, photos)
    report.summarise()


class Demo:
    """One run of the demo."""

    def __init__(self, report: Report, stages: Stages, scale: int | None) -> None:
        self._report = report
        self._stages = stages
        self._scale = scale
        self._seconds: dict[str, float] = {}

    async def check(self, paths: Sequence[Path]) -> list[Photo]:
        """Return the photos that the API will accept. Report the others."""
        accepted: list[Photo] = []
        for path in paths:
            try:
                accepted.append(await asyncio.to_thread(check, path, self._scale))
            except PhotoRefused as error:
                self._report.refuse(path, error)
        return accepted

    async def upscale(self, folder: Path, photos: Sequence[Photo]) -> None:
        """Upscale the photos one after the other, with the Loupe of this folder."""
        connecting = connect(folder, self._stages)
        with self._timed("start"):
            connection = await connecting.__aenter__()
        try:
            before = await worker_seconds(connection)
            async with receiving() as receiver, Client(connection, receiver.url) as client:
                for index, photo in enumerate(photos, start=1):
                    position = f"{index} of {len(photos)}: " if photos[1:] else ""
                    await self._upscale_one(client, photo, position)
                if self._report.images:
                    self._stages.say(await receiver.outcome(await client.account_secret()))
            after = await worker_seconds(connection)
        finally:
            with self._timed("stop"):
                await connecting.__aexit__(None, None, None)
        worker = {stage: total - before.get(stage, 0) for stage, total in after.items()}
        self._report.save(self._seconds, worker)

    async def _upscale_one(self, client: Client, photo: Photo, position: str) -> None:
        name = printable(photo.path.name)
        short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        try:
            with self._stages.running(f"{position}{short}", "reading") as stage:
                stage.finish("")
                original = await asyncio.to_thread(read, photo.path)
                done = await client.upscale(photo.path.name, original, photo.scale, stage.progress)
                stage.progress("comparing before and after")
                result, picture = await asyncio.to_thread(store, photo, original, done, self._report.into)
        except PhotoRefused as error:
            self._report.refuse(photo.path, error)
        else:
            self._report.add(photo, done, result, picture, fits=self._scale is None)

    @contextmanager
    def _timed(self, name: str) -> Generator[None]:
        started = time.perf_counter()
        yield
        self._seconds[name] = time.perf_counter() - started


def store(photo: Photo, original: bytes, done: Upscaled, into: Path) -> tuple[Path, Path | None]:
    """Write the result and the comparison, and return their paths. A comparison that fails is left out."""
    places = results.reserve(photo.path.name, original, photo.scale, into)
    result = places.result(Path(str(done.image["upscaled_path"])).suffix)
    with results.writing(places.folder):
        result.write_bytes(done.file)
    size = (photo.header.width, photo.header.height)
    try:
        comparison.draw(original, done.file, size, photo.scale, places.comparison)
    except Exception:  # noqa: BLE001  decoders may raise anything, and the result is there
        places.comparison.unlink(missing_ok=True)
        return result, None
    return result, places.comparison


async def worker_seconds(connection: Connection) -> dict[str, float]:
    """Return the seconds that the worker has spent in each stage, from its metrics."""
    try:
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
            text = (await client.get(connection.metrics)).text
    except httpx2.HTTPError:
        return {}
    found = re.findall(r'^loupe_stage_seconds_sum\{stage="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {stage: float(value) for stage, value in found}
