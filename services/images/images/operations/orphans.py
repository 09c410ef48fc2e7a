"""Deletes objects that belong to no image and to no direct upload that waits.

An upload whose process died after it stored a file may leave one, and so may a worker.
"""

from datetime import timedelta

from prometheus_client import Counter

from common import log
from common.blobs import Blobs
from common.db import Sessions, now
from images.domain import direct_uploads, library, previews

LOG = log.get(__name__)
orphaned_objects = Counter("loupe_orphaned_objects_total", "Objects of no image that the sweep has deleted")
FOLDERS = ("images/originals/", "images/upscaled/", previews.FOLDER, direct_uploads.FOLDER)


class Orphans:
    def __init__(self, sessions: Sessions, blobs: Blobs, older_than: timedelta) -> None:
        """`older_than` must be longer than the longest upload takes."""
        self._sessions = sessions
        self._blobs = blobs
        self._older_than = older_than

    async def sweep(self) -> None:
        """Delete all old objects that nobody has."""
        before = now() - self._older_than
        for folder in FOLDERS:
            async for objects in self._blobs.list_pages(folder):
                old_keys = [key for key, changed_at in objects if changed_at < before]
                async with self._sessions.begin() as session:
                    strangers = await library.keys_without_image(session, old_keys)
                    orphans = await direct_uploads.without_waiting(session, strangers)
                if orphans:
                    LOG.info("deleting objects that belong to no image", folder=folder, count=len(orphans))
                    await self._blobs.delete(orphans)
                    orphaned_objects.inc(len(orphans))
