"""Upscales many files: several at a time, each at most once, with bounded memory."""

import asyncio
import glob
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loupe_client import AsyncLoupe, errors
from loupe_client.command.exits import stops_a_run
from loupe_client.command.fates import Fate, Reporter
from loupe_client.command.following import Follower
from loupe_client.command.items import Item
from loupe_client.command.manifest import NAME, Entry, Fingerprint, Manifest
from loupe_client.models import Image
from loupe_client.options import fields_of
from loupe_client.pictures import is_same_format, may_be_picture

CHUNK = 1 << 20
REFUSALS = (errors.ValidationFailed, errors.BodyTooLarge, errors.BadRequest)
"""Refusals that the server will repeat for the same file."""
PLAIN = (16, 16)
"""Width and height of a picture in which nothing is wrong."""
SIZES = ("scale", "width", "height")
"""The options of which the picture decides whether they are right."""


def why_left_out(item: Item) -> str | None:
    """Return why a thing that was found in a folder is not sent, or None if it may be a picture.

    Raise `OSError` for a file or a folder that cannot be read.
    """
    path = Path(item.source)
    if not item.is_found:
        return None
    if path.is_symlink() and not path.is_file():
        return "it is a link to a folder" if path.is_dir() else "it is a link to nothing"
    if path.is_dir():
        os.scandir(path).close()
    if not path.is_file():
        return "it is no file"
    if not path.stat().st_size:
        return "it is empty"
    return None if may_be_picture(path) else "it is no picture"


@dataclass
class Run:
    """One run of `loupe upscale`."""

    client: AsyncLoupe
    options: dict[str, Any]
    reporter: Reporter
    jobs: int = 8
    overwrite: bool = False
    retry_refused: bool = False
    stopped_by: errors.LoupeError | None = None
    """Why the rest was not tried."""
    _manifests: dict[Path, Manifest] = field(default_factory=dict[Path, Manifest])

    def __post_init__(self) -> None:
        self._fields = json.dumps(fields_of(self.options), sort_keys=True)
        self._follower = Follower(self.client, hears_progress=self.reporter.shows_progress)
        self._began_at = time.time()

    async def all(self, items: Iterator[Item]) -> None:
        """Upscale all items. An error that concerns the next one too ends the run."""
        try:
            workers = [asyncio.create_task(self._work(items)) for _ in range(self.jobs)]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        finally:
            await self._follower.stop()
            self._close_manifests()

    def _close_manifests(self) -> None:
        for manifest in self._manifests.values():
            manifest.close()

    async def plan(self, items: Iterator[Item]) -> None:
        """Report what would happen to all items. Nothing is sent and nothing is written."""
        for item in items:
            self.reporter.ended(item, await self._plan_of(item))
        self._close_manifests()

    async def _plan_of(self, item: Item) -> Fate:
        try:
            if reason := why_left_out(item):
                return Fate("skipped", reason)
            if (item.root / NAME).exists():
                manifest = self.manifest_of(item.root)
                if manifest.is_result(item.source):
                    return Fate("skipped", "it is a result of an earlier run")
                found = await self._fingerprint(item, manifest)
                if known := self.known_fate(item, manifest, found):
                    return known
        except OSError as error:
            return Fate("failed", error.strerror or str(error))
        return Fate("planned", "", output=item.output)

    async def _work(self, items: Iterator[Item]) -> None:
        for item in items:
            if self.stopped_by:
                return
            fate = await self._fate_of(item)
            self.reporter.ended(item, fate)

    async def _fate_of(self, item: Item) -> Fate:
        try:
            return await self._one(item)
        except errors.LoupeError as error:
            if stops_a_run(error):
                self.stopped_by = self.stopped_by or error
            return Fate("failed", str(error))
        except OSError as error:
            return Fate("failed", error.strerror or str(error))

    async def _one(self, item: Item) -> Fate:
        if reason := why_left_out(item):
            return Fate("skipped", reason)
        manifest = self.manifest_of(item.root)
        if manifest.is_result(item.source):
            return Fate("skipped", "it is a result of an earlier run")
        found = await self._fingerprint(item, manifest)
        if known := self.known_fate(item, manifest, found):
            return known
        if not (place := self.place_for(item, item.output, manifest)):
            return Fate("failed", taken(item.output))
        item = replace(item, output=place)
        self.reporter.began(item)
        entry = manifest.begin(item.source, self._fields, found, self.client.server.url, item.output)
        return await self._upscale(item, manifest, entry)

    def known_fate(self, item: Item, manifest: Manifest, found: Fingerprint) -> Fate | None:
        """Return the fate that the manifest knows for this content and these options."""
        entry = manifest.find(item.source, self._fields)
        if entry is None or entry.digest != found.digest:
            return None
        output = manifest.path_of(entry)
        if entry.state == "refused" and not self.retry_refused:
            return Fate("refused", entry.message or "refused before", is_new=False)
        if (
            entry.state == "done"
            and output
            and output.is_file()
            and output.stat().st_size == entry.output_size
        ):
            return Fate("done", "done before", output=output, is_new=False)
        return None

    async def _upscale(self, item: Item, manifest: Manifest, entry: Entry) -> Fate:
        """Submit the file, unless an earlier run did, wait, and save the result."""
        await self._follower.start()
        image_id = entry.image_id
        try:
            if image_id is not None:
                await self._follower.refresh(image_id)
            else:
                accepted = await self.client.images.submit(
                    item.source, idempotency_key=entry.key, **self.options
                )
                image_id = accepted.id
                manifest.note(item.source, self._fields, image_id=image_id)
                if entry.key_made_at < self._began_at:  # an earlier run has sent it, and no event may be left
                    await self._follower.refresh(image_id)
            image = await self._follower.wait(image_id, lambda image: self.reporter.progressed(item, image))
        except errors.NotFound:
            manifest.forget(item.source, self._fields)
            return Fate("failed", "the image was deleted on the server; the next run sends it again")
        except REFUSALS as error:
            if isinstance(error, errors.ValidationFailed) and await self._concerns_all(error):
                manifest.forget(item.source, self._fields)
                self.stopped_by = self.stopped_by or error
                return Fate("failed", str(error))
            if item.is_link:  # what is behind it may be there, or be another picture, tomorrow
                manifest.forget(item.source, self._fields)
            else:
                manifest.note(item.source, self._fields, state="refused", message=str(error), output=None)
            return Fate("refused", str(error))
        if image.status == "failed":
            return self._failed(item, manifest, image)
        return await self._save(item, manifest, image)

    async def _concerns_all(self, refusal: errors.ValidationFailed) -> bool:
        """Return whether the server refuses the same options for a plain picture too."""
        faulty = refusal.errors.keys() & fields_of(self.options).keys()
        if not faulty:
            return False
        options = {name: value for name, value in self.options.items() if name not in SIZES}
        try:
            refusals = (await self.client.images.estimate(*PLAIN, **options)).refusals
        except errors.ValidationFailed as again:
            return bool(faulty & again.errors.keys())
        except errors.LoupeError:  # a token may not be allowed to ask
            return False
        return any(faulty & (each.errors or {}).keys() for each in refusals)

    def _failed(self, item: Item, manifest: Manifest, image: Image) -> Fate:
        message = image.error.message if image.error else "the image failed"
        if image.error and not image.error.retryable:
            manifest.note(item.source, self._fields, state="refused", message=message, output=None)
            return Fate("refused", message, image=image)
        manifest.forget(item.source, self._fields)
        return Fate("failed", message, image=image)

    async def _save(self, item: Item, manifest: Manifest, image: Image) -> Fate:
        output = final_output(item.output, Path(image.upscaled_path or "").suffix)
        if not (place := self.place_for(item, output, manifest)):
            return Fate("failed", taken(output), image=image)
        output = place
        manifest.note(item.source, self._fields, output=manifest.relative(str(output)))
        output.parent.mkdir(parents=True, exist_ok=True)
        for left in output.parent.glob(f".{glob.escape(output.name[:100])}.????????.part"):
            left.unlink(missing_ok=True)  # a run that was killed has left it
        await self.client.images.download(image, output)
        manifest.finish(item.source, self._fields, output)
        return Fate("done", "", output=output, image=image)

    def place_for(self, item: Item, output: Path, manifest: Manifest) -> Path | None:
        """Return where the result may be written, or None if a file that nobody may replace is there.

        If another original has its result there, the name gets the suffix of this original, or a part of the
        link's hash.
        """
        if self.overwrite or manifest.is_of(output, item.source):
            return output
        own = f"-{digest_of_link(item.source)[:8]}" if item.is_link else Path(item.source).suffix
        other = output.with_name(output.stem + own + output.suffix)
        is_of_other = manifest.owner_of(output) is not None
        return other if is_of_other and manifest.is_of(other, item.source) else None

    def manifest_of(self, root: Path) -> Manifest:
        if root not in self._manifests:
            self._manifests[root] = Manifest(root)
        return self._manifests[root]

    async def _fingerprint(self, item: Item, manifest: Manifest) -> Fingerprint:
        """Return the fingerprint of a file. It is not read again if its size and time are those of before."""
        if item.is_link:
            return Fingerprint(0, 0, digest_of_link(item.source))
        status = Path(item.source).stat()
        known = manifest.find(item.source, self._fields)
        if known and (known.size, known.changed) == (status.st_size, status.st_mtime_ns):
            return Fingerprint(known.size, known.changed, known.digest)
        digest = await asyncio.to_thread(digest_of, Path(item.source))
        return Fingerprint(status.st_size, status.st_mtime_ns, digest)


def digest_of_link(link: str) -> str:
    return hashlib.sha256(link.encode()).hexdigest()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def final_output(expected: Path, suffix: str) -> Path:
    """Return the path of a result whose real suffix is known."""
    return expected if not suffix or is_same_format(expected.suffix, suffix) else expected.with_suffix(suffix)


def taken(output: Path) -> str:
    return f"{output} exists and is no result of this command; --overwrite replaces it"
