"""A ZIP of stored files, made while it is read. Its length is known before the first byte.

Files of over 4 GiB, and archives of more, are written as ZIP64. Only the chunk that is sent is in memory.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from zipstream import ZipStream

Opening = Callable[[], AsyncGenerator[bytes]]


class Broken(Exception):
    """A file had another length than it should. The archive cannot be completed."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive."""

    name: str
    size: int
    open: Opening
    """Starts to read the file, and yields its chunks."""


class _Feed:
    """Holds the next chunk of a file for `ZipStream`, which asks for one at a time and cannot wait."""

    def __init__(self) -> None:
        self.chunk = b""

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> bytes:
        if not self.chunk:
            raise StopIteration  # the file has ended: a chunk is there before each call until then
        chunk, self.chunk = self.chunk, b""
        return chunk


class ZipFile:
    def __init__(self, members: Sequence[Member]) -> None:
        self._zip = ZipStream(sized=True)
        self._members = [(member, _Feed()) for member in members]
        for member, feed in self._members:
            self._zip.add(feed, member.name, size=member.size)

    @property
    def size(self) -> int:
        """The bytes of the whole archive."""
        return len(self._zip)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the archive. Raise `Broken` if a file has another length, or what reading it raises."""
        for member, feed in self._members:
            parts, received = self._zip.file(), 0
            yield next(parts)
            async with contextlib.aclosing(member.open()) as chunks:
                async for chunk in chunks:
                    received += len(chunk)
                    if received > member.size:
                        break
                    if chunk:
                        feed.chunk = chunk
                        yield next(parts)
            if received != member.size:
                raise Broken(f"a file of {member.size} bytes has {received} or more")
            for part in parts:
                yield part
        for part in self._zip.footer():
            yield part
