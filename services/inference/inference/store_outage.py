"""Waits until the object store works again, so that an attempt survives an outage.

Otherwise each outage of some minutes would use up the attempts that an image has, and compute its result anew
each time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import urllib3.exceptions

from common import log
from common.blobs import StoreFailed
from common.repeated import Repeated

REPEATED = Repeated(log.get(__name__))
Result = TypeVar("Result")
PATIENCE_SECONDS = 600.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0


class Outage:
    """The patience that one step of an image has with the store."""

    def __init__(self, patience_seconds: float, unwanted: asyncio.Task[Any] | None = None) -> None:
        """The wait also ends once the task `unwanted` has ended, because then nobody needs the result."""
        self._give_up_at = time.monotonic() + patience_seconds
        self._unwanted = unwanted

    async def outlast(
        self,
        call: Callable[[], Awaitable[Result]],
        outages: tuple[type[Exception], ...] = (urllib3.exceptions.HTTPError,),
    ) -> Result:
        """Return what `call` returns, and call it again while it raises one of `outages`.

        Raise `StoreFailed` when the patience is over.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await call()
            except outages as error:
                if self._ends_within(pause):
                    raise StoreFailed(str(error)) from error
                REPEATED.warning(
                    "the object store fails",
                    cause=type(error),
                    action="the worker keeps the result and tries again",
                    error=log.error_text(error),
                )
            if self._unwanted:
                await asyncio.wait({self._unwanted}, timeout=pause)
            else:
                await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _ends_within(self, seconds: float) -> bool:
        is_unwanted = self._unwanted is not None and self._unwanted.done()
        return is_unwanted or time.monotonic() + seconds > self._give_up_at
