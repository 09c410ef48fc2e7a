"""Regions of /dev/shm that the worker shares with a Triton on the same machine, so that tiles need no socket.

A region is a file that the worker locks for as long as it lives. If its lock can be taken, a killed worker
left it. A region is never used again after a request was abandoned, because Triton may still write to it.
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
from inference.networks.network import Tensor

LOG = log.get(__name__)
FOLDER = Path("/dev/shm")  # noqa: S108  the folder of shm_open(3), which Triton uses
PREFIX = "loupe-inference-"
SIZE_STEP = 1 << 20
"""Sizes in bytes are multiples of this, so that tiles of nearly the same size use the same region."""
UNREGISTER_SECONDS, POLL_SECONDS = 2.0, 0.05
MAY_STILL_RUN = ("StatusCode.CANCELLED", "StatusCode.DEADLINE_EXCEEDED", "StatusCode.UNAVAILABLE")
"""After these statuses Triton may still be working on the tile."""


class NoSharedMemory(Exception):
    """Shared memory cannot be used; tiles must go through the socket."""


class Region:
    """A file that is mapped into memory.

    All of its memory is allocated at the start, because a full /dev/shm would kill the process at the first
    write.
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
        """Remove the file. A process that has it mapped keeps the memory."""
        (FOLDER / self.name).unlink(missing_ok=True)
        os.close(self._descriptor)


class SharedMemory:
    """A pool of regions: as many as are used at the same time, each as large as its largest tile so far."""

    def __init__(self, client: InferenceServerClient) -> None:
        self._client = client
        self._free: list[Region] = []
        self._abandoned: set[str] = set()
        """Names of regions that Triton may still use. Their requests were abandoned, and their files removed.
        """

    @contextlib.asynccontextmanager
    async def borrow(self, size: int, seconds: float) -> AsyncGenerator[Region]:
        """Yield a region of at least `size` bytes that Triton knows. Raises `NoSharedMemory`."""
        await self._unregister_abandoned()
        region = await self._take(size)
        is_reusable = False
        try:
            if not region.is_registered:
                await self._register(region, seconds)
            yield region
            is_reusable = True
        except NoSharedMemory:
            is_reusable = True
            raise
        except InferenceServerException as error:
            is_reusable = error.status() not in MAY_STILL_RUN
            raise
        finally:
            if is_reusable:
                self._free.append(region)
            else:
                self._abandoned.add(region.name)
                region.remove()

    def forget_registrations(self) -> None:
        """Register every region again at its next use, because Triton was restarted."""
        for region in self._free:
            region.is_registered = False

    async def remove_leftovers(self) -> None:
        """Remove the regions of workers that were killed."""
        for path in await asyncio.to_thread(find_leftovers):
            LOG.info("removing the shared memory of a worker that was killed", name=path.name)
            path.unlink(missing_ok=True)
            await self._unregister(path.name)

    async def close(self) -> None:
        """Remove all regions. Waits a moment for abandoned requests."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UNREGISTER_SECONDS):
                while self._abandoned:
                    await self._unregister_abandoned()
                    await asyncio.sleep(POLL_SECONDS if self._abandoned else 0)
        self._abandoned.clear()
        while self._free:
            region = self._free.pop()
            region.remove()
            await self._unregister(region.name)

    async def _take(self, size: int) -> Region:
        """Take the largest free region. If it is too small, a larger one replaces it."""
        self._free.sort(key=lambda region: region.size)
        region = self._free.pop() if self._free else None
        if region and region.size >= size:
            return region
        if region:
            region.remove()
            await self._unregister(region.name)
        try:
            return await self._create(-(-size // SIZE_STEP) * SIZE_STEP)
        except OSError as error:
            free = os.statvfs(FOLDER).f_bavail * os.statvfs(FOLDER).f_frsize >> 20
            raise NoSharedMemory(
                f"{FOLDER} has no room for {size >> 20} MiB, {free} are free: {error}"
            ) from error

    async def _create(self, size: int) -> Region:
        """Create a region in a thread. If the caller is cancelled meanwhile, the next one gets the region."""
        creating = asyncio.ensure_future(asyncio.to_thread(Region, size))
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:
            creating.add_done_callback(self._add_free)
            raise

    def _add_free(self, created: asyncio.Future[Region]) -> None:
        if not created.cancelled() and not created.exception():
            self._free.append(created.result())

    async def _register(self, region: Region, seconds: float) -> None:
        try:
            await self._client.register_system_shared_memory(
                region.name, f"/{region.name}", region.size, client_timeout=seconds
            )
        except InferenceServerException as error:
            if error.status() in MAY_STILL_RUN:
                raise
            raise NoSharedMemory(f"Triton cannot open the worker's files in {FOLDER}: {error}") from error
        region.is_registered = True

    async def _unregister_abandoned(self) -> None:
        """Unregister what Triton does not use any more. It refuses, or waits with, a region that it still
        writes to.
        """
        for name in [*self._abandoned]:
            if await self._unregister(name):
                self._abandoned.discard(name)

    async def _unregister(self, name: str) -> bool:
        """Return whether Triton has unregistered the region. Unknown names are no error for Triton."""
        try:
            await self._client.unregister_system_shared_memory(name, client_timeout=UNREGISTER_SECONDS)
        except InferenceServerException:
            return False
        return True


def find_leftovers() -> list[Path]:
    """Return the files of workers that have ended."""
    return [path for path in FOLDER.glob(f"{PREFIX}*") if is_leftover(path)]


def is_leftover(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:  # another user's, or removed by now
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
