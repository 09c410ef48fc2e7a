"""Admits uploads, and says how long each may take.

A connection that sends most of a file and then trickles would otherwise take memory here and in images for as
long as it likes.
"""

import contextlib
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.requests import Request

from common import errors
from common.shares import Shares
from gateway.http.errors import REQUEST_TIMEOUT
from loupe import refusals

BYTES_OF_AN_UPLOAD = 1 << 20
"""Memory that an upload takes here at most: pieces of its body, and messages on their way to images."""
RETRY_AFTER_SECONDS = 10
"""By then some of the uploads have ended."""


@dataclass(frozen=True, slots=True)
class UploadTime:
    """The longest time of an upload: a fixed part, and a part that grows with the bytes that it declares."""

    seconds: float = 120.0
    bytes_per_second: int = 64 << 10

    def seconds_for(self, size: int) -> float:
        return self.seconds + size / self.bytes_per_second

    def check(self, request: Request, received: int, elapsed: float) -> None:
        """Raise `FailedPrecondition` if the body takes too long.

        A body in chunks declares no length. What has arrived counts instead.
        """
        if elapsed > self.seconds_for(declared_bytes(request) or received):
            raise errors.refused(REQUEST_TIMEOUT, part="body")


class UploadGate:
    """Counts the uploads under way: a few of each user, and as many of all as memory allows."""

    def __init__(self, *, memory_bytes: int, per_user: int, wait_seconds: float) -> None:
        self._most = max(1, memory_bytes // BYTES_OF_AN_UPLOAD)
        self._shares = Shares(per_user)
        self._wait_seconds = wait_seconds
        self.open = 0

    @contextlib.asynccontextmanager
    async def admit(self, user_id: int) -> AsyncGenerator[None]:
        """Wait for a place of the user. Raise `Unavailable` if there is none in time, or no memory."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._shares.place(str(user_id), self._wait_seconds))
            except TimeoutError as error:
                raise errors.refused_for(RETRY_AFTER_SECONDS, refusals.TOO_MANY_UPLOADS) from error
            if self.open >= self._most:
                raise errors.refused_for(RETRY_AFTER_SECONDS, refusals.UPLOADS_FULL)
            self.open += 1
            try:
                yield
            finally:
                self.open -= 1


def declared_bytes(request: Request) -> int:
    """Return the length of the body as its header declares it; 0 if it does not."""
    length = request.headers.get("content-length", "")
    return int(length) if re.fullmatch(r"\d{1,18}", length) else 0
