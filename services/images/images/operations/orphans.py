"""Objects that no image names: an upload that died between its object and its row leaves one behind."""

from datetime import timedelta
from pathlib import PurePosixPath

from common import log
from common.blobs import Blobs
from common.db import Sessions, now
from imagefile.formats import FORMATS, extension
from images.domain import library

LOG = log.get(__name__)
ORIGINALS = "images/originals/"
FOLDERS = (ORIGINALS, "images/upscaled/")


class Orphans:
    def __init__(self, sessions: Sessions, blobs: Blobs, older_than: timedelta) -> None:
        """`older_than` is more than the longest upload takes."""
        self._sessions = sessions
        self._blobs = blobs
        self._older_than = older_than

    async def sweep(self) -> None:
        before = now() - self._older_than
        for folder in FOLDERS:
            async for listed in self._blobs.pages(folder):
                old = [key for key, changed_at in listed if changed_at < before]
                orphans = await self._without_image(old)
                if orphans:
                    LOG.info("orphaned objects", folder=folder, count=len(orphans))
                    await self._blobs.delete(orphans)

    async def _without_image(self, keys: list[str]) -> list[str]:
        """An image's two objects share the random part of their keys; its original's key has an index."""
        stems = {key: PurePosixPath(key).stem for key in keys}
        originals = [
            f"{ORIGINALS}{stem}.{extension(format_)}" for stem in set(stems.values()) for format_ in FORMATS
        ]
        async with self._sessions.begin() as session:
            known = await library.with_originals(session, originals)
        known_stems = {PurePosixPath(key).stem for key in known}
        return [key for key, stem in stems.items() if stem not in known_stems]
