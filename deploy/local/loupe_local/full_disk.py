"""Knows when a server has to be started anew because its disk was full."""

import shutil
from pathlib import Path

FULL_BYTES, ROOM_BYTES = 16 << 20, 64 << 20
"""A disk with less free space than the first is full, and one with the second has room again."""


class FullDisk:
    """Notices that the disk was full, and has room again.

    After a write that found no space, the index of SeaweedFS and streams of NATS refuse every further one,
    until the server is started again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.was_full = False
        """Whether it was full when it was last looked at, and had no room since."""

    def is_over(self) -> bool:
        """Return True once for each time that the disk was full."""
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError:  # the folder was removed under a running store
            return False
        self.was_full = self.was_full or free < FULL_BYTES
        if not self.was_full or free < ROOM_BYTES:
            return False
        self.was_full = False
        return True
