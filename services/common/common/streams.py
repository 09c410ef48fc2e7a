"""The streams of one process. They are declared before it works, and again whenever the broker has lost them.

A broker that starts with an empty disk has no streams. Publishers then fail until somebody declares them.
"""

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext, api

from common import bus, log, process
from common.metrics import Readiness

LOG = log.get(__name__)
CHECK_SECONDS = 2.0


class Streams:
    """Streams that this process declares. It is not ready while one of them is missing."""

    def __init__(
        self, js: JetStreamContext, readiness: Readiness, *streams: api.StreamConfig, replicas: int = 1
    ) -> None:
        self._js = js
        self._streams = streams
        self._replicas = replicas
        self._missing = {stream.name for stream in streams}
        readiness.watch("streams", lambda: not self._missing)

    async def declare(self) -> None:
        """Declare all streams. Return once the broker has them."""
        await process.wait_for("streams", self._declare_all)

    async def keep_declared(self) -> None:
        """Look for the streams until cancelled, and declare those that the broker has lost."""
        await process.every(CHECK_SECONDS, self._declare_missing)

    async def _declare_all(self) -> None:
        await bus.declare(self._js, *self._streams, replicas=self._replicas)
        self._missing.clear()

    async def _declare_missing(self) -> None:
        for stream in self._streams:
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
            await bus.declare(self._js, stream, replicas=self._replicas)
        except (nats.errors.Error, OSError) as error:
            text = log.error_text(error)
            LOG.warning("stream not declared", stream=stream.name, error=text, action="trying again in 2 s")
        else:
            self._missing.discard(stream.name)
