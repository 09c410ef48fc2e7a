"""Takes back what has been written and not synced, as a power failure does."""

import os


class Unsynced:
    """Remembers, for each file, what its writes have replaced since its last fsync.

    Names are another matter: a file system with a journal keeps created, renamed and deleted names in order,
    so they stay. A file that was created and never synced is therefore empty after a power failure.
    """

    def __init__(self) -> None:
        self._replaced: dict[tuple[int, int], list[tuple[int, bytes, int]]] = {}
        """For each file: offset and content of what was replaced, and the size before."""
        self._open: dict[tuple[int, int], int] = {}

    def before_write(self, descriptor: int, offset: int, size: int) -> None:
        key, length = self._remember(descriptor)
        old = os.pread(self._open[key], min(size, max(0, length - offset)), offset)
        self._replaced[key].append((offset, old, length))

    def before_truncate(self, descriptor: int, size: int) -> None:
        key, length = self._remember(descriptor)
        self._replaced[key].append((size, os.pread(self._open[key], max(0, length - size), size), length))

    def synced(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        key = (found.st_dev, found.st_ino)
        if self._replaced.pop(key, None) is not None:
            os.close(self._open.pop(key))

    def take_back(self) -> tuple[int, int]:
        """Undo all unsynced writes. Return how many files lost how many writes."""
        files, writes = len(self._replaced), sum(map(len, self._replaced.values()))
        for key, replaced in self._replaced.items():
            for offset, old, length in reversed(replaced):
                os.pwrite(self._open[key], old, offset)
                os.truncate(self._open[key], length)
            os.close(self._open[key])
        self._replaced, self._open = {}, {}
        return files, writes

    def _remember(self, descriptor: int) -> tuple[tuple[int, int], int]:
        found = os.fstat(descriptor)
        key = (found.st_dev, found.st_ino)
        if key not in self._replaced:
            self._replaced[key] = []
            self._open[key] = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)
        return key, found.st_size
