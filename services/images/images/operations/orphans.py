"""Deletes objects that belong to no image. An upload whose process died after it stored a file leaves one."""

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
        """`older_than` must be longer than the longest upload takes."""
        self._sessions = sessions
        self._blobs = blobs
        self._older_than = older_than

    async def sweep(self) -> None:
        """Delete all old objects that belong to no image."""
        before = now() - self._older_than
        for folder in FOLDERS:
            async for objects in self._blobs.list_pages(folder):
                old_keys = [key for key, changed_at in objects if changed_at < before]
                orphans = await self._without_image(old_keys)
                if orphans:
                    LOG.info("deleting objects that belong to no image", folder=folder, count=len(orphans))
                    await self._blobs.delete(orphans)

    async def _without_image(self, keys: list[str]) -> list[str]:
        """Return the keys that belong to no image.

        The keys of an image's original and result share their random part. Only the original's key has an
        index in the database, so derive the possible originals of each key and look those up.
        """
        stems = {key: PurePosixPath(key).stem for key in keys}
        originals = [
            f"{ORIGINALS}{stem}.{extension(format_)}" for stem in set(stems.values()) for format_ in FORMATS
        ]
        async with self._sessions.begin() as session:
            known = await library.known_originals(session, originals)
        known_stems = {PurePosixPath(key).stem for key in known}
        return [key for key, stem in stems.items() if stem not in known_stems]
