"""Deletes objects that belong to no image. An upload whose process died after it stored a file leaves one."""

from datetime import timedelta

from common import log
from common.blobs import Blobs
from common.db import Sessions, now
from images.domain import library

LOG = log.get(__name__)
FOLDERS = ("images/originals/", "images/upscaled/")


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
                async with self._sessions.begin() as session:
                    orphans = await library.keys_without_image(session, old_keys)
                if orphans:
                    LOG.info("deleting objects that belong to no image", folder=folder, count=len(orphans))
                    await self._blobs.delete(orphans)
