"""The streams of one process. They are declared before it works, and again whenever the broker has lost them.

A broker that starts with an empty disk has no streams. Publishers then fail until somebody declares them.
"""

from collections.abc import Sequence

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext, api

from common import bus, log, process
from common.metrics import Readiness

LOG = log.get(__name__)
CHECK_SECONDS = 2.0


class Streams:
    """The streams that a process needs. It is not ready while one of them is missing.

    It creates and updates its own streams. The `shared` ones it only creates, and their owner updates them.
    """

    def __init__(
        self,
        js: JetStreamContext,
        readiness: Readiness,
        *own: api.StreamConfig,
        shared: Sequence[api.StreamConfig] = (),
        replicas: int = 1,
    ) -> None:
        self._js = js
        self._own = own
        self._shared = tuple(shared)
        self._replicas = replicas
        self._missing = {stream.name for stream in (*own, *shared)}
        readiness.watch("streams", lambda: not self._missing)

    async def declare(self) -> None:
        """Declare all streams. Return once the broker has them."""
        await process.wait_for("streams", self._declare_all)

    async def keep_declared(self) -> None:
        """Look for the streams until cancelled, and declare those that the broker has lost."""
        await process.every(CHECK_SECONDS, self._declare_missing)

    async def _declare_all(self) -> None:
        await bus.declare(self._js, *self._own, replicas=self._replicas)
        await bus.create(self._js, *self._shared, replicas=self._replicas)
        self._missing.clear()

    async def _declare_missing(self) -> None:
        for stream in (*self._own, *self._shared):
            try:
                await self._js.stream_info(str(stream.name))
            except nats.js.errors.NotFoundError:
                await self._declare_lost(stream)
            except (nats.errors.Error, OSError):
                return  # the broker does not answer, and `connection` reports that
            else:
                self._missing.discard(stream.name)

    async def _declare_lost(self, stream: api.StreamConfig) -> None:
        self._missing.add(stream.name)
        LOG.warning("the broker has lost a stream", stream=stream.name, action="declaring it again")
        try:
            await bus.create(self._js, stream, replicas=self._replicas)
            await self._js.stream_info(str(stream.name))
        except (nats.errors.Error, OSError) as error:
            text = log.error_text(error)
            LOG.warning("stream not declared", stream=stream.name, error=text, action="trying again in 2 s")
        else:
            self._missing.discard(stream.name)
