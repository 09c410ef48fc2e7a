"""Pieces of /dev/shm that the worker and a Triton on the same machine both see, so that tiles need not go
through a socket.

A region is a file that we hold a lock on for as long as we live: whose lock can be taken was left by a worker
that was killed. One whose answer nobody waited for is never given to another tile: Triton may still write
to it.
"""

import asyncio
import contextlib
import fcntl
import mmap
import os
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from common import log
from inference.tiling.tiles import Tensor

LOG = log.get(__name__)
FOLDER = Path("/dev/shm")  # noqa: S108  what shm_open(3) means; Triton knows no other
PREFIX = "loupe-inference-"
GRAIN = 1 << 20
"""Sizes are multiples of it, so that tiles of nearly the same size take the same region."""
LETTING_GO_SECONDS, PAUSE_SECONDS = 2.0, 0.05
UNDECIDED = ("StatusCode.CANCELLED", "StatusCode.DEADLINE_EXCEEDED", "StatusCode.UNAVAILABLE")
"""Statuses after which Triton may still be at work on the tile."""


class NoMemory(Exception):
    """Tiles must go another way."""


class Region:
    """A file, mapped. All of its memory is there from the start: else a full /dev/shm would end the process
    at the first write.
    """

    def __init__(self, size: int) -> None:
        self.name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
        self.size = size
        self.is_registered = False
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR
        self._descriptor = os.open(FOLDER / self.name, flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(self._descriptor, 0, size)
            self._map = mmap.mmap(self._descriptor, size)
        except OSError:
            self.remove()
            raise

    def put(self, tensor: Tensor) -> None:
        self.view(tensor.shape, tensor.dtype, 0)[...] = tensor

    def copy(self, shape: tuple[int, ...], dtype: np.dtype[np.generic], offset: int) -> Tensor:
        return self.view(shape, dtype, offset).copy()

    def view(self, shape: tuple[int, ...], dtype: np.dtype[np.generic], offset: int) -> Tensor:
        return np.ndarray(shape, dtype, buffer=self._map, offset=offset)

    def remove(self) -> None:
        """Nobody finds it any more; who has it mapped keeps it."""
        (FOLDER / self.name).unlink(missing_ok=True)
        os.close(self._descriptor)


class SharedMemory:
    """As many as are needed at a time, each as large as the largest tile that it has had."""

    def __init__(self, client: InferenceServerClient) -> None:
        self._client = client
        self._free: list[Region] = []
        self._held: set[str] = set()
        """Names of what Triton may still have, though nobody waits for it any more; the files are gone."""

    @contextlib.asynccontextmanager
    async def lent(self, size: int, seconds: float) -> AsyncGenerator[Region]:
        """One of at least that many bytes, known to Triton; raises `NoMemory` where there cannot be one."""
        await self._take_from_triton()
        region = await self._of(size)
        is_ours = False
        try:
            if not region.is_registered:
                await self._register(region, seconds)
            yield region
            is_ours = True
        except NoMemory:
            is_ours = True
            raise
        except InferenceServerException as error:
            is_ours = error.status() not in UNDECIDED
            raise
        finally:
            if is_ours:
                self._free.append(region)
            else:
                self._held.add(region.name)
                region.remove()

    def forget(self) -> None:
        """Triton is another one now: it knows none of them."""
        for region in self._free:
            region.is_registered = False

    async def remove_leftovers(self) -> None:
        """What workers left that were killed."""
        for path in await asyncio.to_thread(leftovers):
            LOG.info("shared memory of a worker that is gone", name=path.name)
            path.unlink(missing_ok=True)
            await self._unregister(path.name)

    async def close(self) -> None:
        """Waits a little for tiles that nobody waits for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LETTING_GO_SECONDS):
                while self._held:
                    await self._take_from_triton()
                    await asyncio.sleep(PAUSE_SECONDS if self._held else 0)
        self._held.clear()
        while self._free:
            region = self._free.pop()
            region.remove()
            await self._unregister(region.name)

    async def _of(self, size: int) -> Region:
        """The largest of the free ones, in place of which comes a larger one where it does not suffice."""
        self._free.sort(key=lambda region: region.size)
        region = self._free.pop() if self._free else None
        if region and region.size >= size:
            return region
        if region:
            region.remove()
            await self._unregister(region.name)
        try:
            return await self._made(-(-size // GRAIN) * GRAIN)
        except OSError as error:
            free = os.statvfs(FOLDER).f_bavail * os.statvfs(FOLDER).f_frsize >> 20
            raise NoMemory(f"{FOLDER} has no room for {size >> 20} MiB, {free} are free: {error}") from error

    async def _made(self, size: int) -> Region:
        """One that comes when nobody waits for it any more is for the next."""
        making = asyncio.ensure_future(asyncio.to_thread(Region, size))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(self._keep)
            raise

    def _keep(self, made: asyncio.Future[Region]) -> None:
        if not made.cancelled() and not made.exception():
            self._free.append(made.result())

    async def _register(self, region: Region, seconds: float) -> None:
        try:
            await self._client.register_system_shared_memory(
                region.name, f"/{region.name}", region.size, client_timeout=seconds
            )
        except InferenceServerException as error:
            if error.status() in UNDECIDED:
                raise
            raise NoMemory(f"Triton does not see our {FOLDER}, or may not read it: {error}") from error
        region.is_registered = True

    async def _take_from_triton(self) -> None:
        """It refuses to forget what it still writes to, or does so later."""
        for name in [*self._held]:
            if await self._unregister(name):
                self._held.discard(name)

    async def _unregister(self, name: str) -> bool:
        """Whether it knows it no more; it does not mind being asked to forget what it never knew."""
        try:
            await self._client.unregister_system_shared_memory(name, client_timeout=LETTING_GO_SECONDS)
        except InferenceServerException:
            return False
        return True


def leftovers() -> list[Path]:
    """Files of ours whose owner is gone."""
    return [path for path in FOLDER.glob(f"{PREFIX}*") if is_left_over(path)]


def is_left_over(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:  # somebody else's, or gone by now
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
