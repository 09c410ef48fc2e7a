"""A gRPC channel that finds a server soon after its name is known.

While a name has no address, as that of a headless Service without ready pods, gRPC waits ever longer between
two questions to DNS, up to two minutes. No option changes that, so such a channel is replaced by a new one.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import grpc

CONNECT_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # after a connection is lost: the new pods have other addresses
    ("grpc.dns_min_time_between_resolutions_ms", 2_000),
]
"""Connect again soon. gRPC's own defaults are up to two minutes between attempts, and 30 s for DNS."""
RENEW_SECONDS = 2.0
"""A channel is not replaced before this age, so that it has time to connect."""
GRACE_SECONDS = 600.0
"""How long a replaced channel may finish its calls, on connections that a stopping server still serves."""


class RenewedChannel:
    """Takes the place of a `grpc.aio.Channel`, below a generated stub too. `open_channel` opens one."""

    def __init__(self, open_channel: Callable[[], grpc.aio.Channel]) -> None:
        self._open = open_channel
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop of the calls, once there was one. Channels may be made before it runs."""
        self._channel, self._opened_at = open_channel(), time.monotonic()
        self._replaced = dict[grpc.aio.Channel, asyncio.Task[None]]()

    @classmethod
    def without_tls(cls, target: str, options: Sequence[tuple[str, Any]]) -> Self:
        return cls(lambda: grpc.aio.insecure_channel(target, options))

    def unary_unary(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        return partial(self._call, "unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        return partial(self._call, "unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        return partial(self._call, "stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        return partial(self._call, "stream_stream", args, kwargs)

    async def channel_ready(self) -> None:
        """Wait until the server can be reached."""
        await self._current().channel_ready()

    def state(self) -> grpc.ChannelConnectivity:
        """Return the state, and start to connect. Threads may call this after the first call."""
        state = self._channel.get_state(try_to_connect=True)
        if self._loop and state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            self._loop.call_soon_threadsafe(self._current)
        return state

    async def close(self, grace: float | None = None) -> None:
        """Close the channel. Calls under way may take `grace` seconds more."""
        await asyncio.gather(*(channel.close(grace) for channel in (self._channel, *self._replaced)))
        await asyncio.gather(*self._replaced.values())

    def _call(
        self, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any], *request: Any, **options: Any
    ) -> Any:
        """Make a call of this kind on the channel of the moment."""
        return getattr(self._current(), kind)(*args, **kwargs)(*request, **options)

    def _current(self) -> grpc.aio.Channel:
        """Return the channel. Replace it first if it fails and has had time to connect."""
        self._loop = asyncio.get_running_loop()
        has_failed = self._channel.get_state() is grpc.ChannelConnectivity.TRANSIENT_FAILURE
        if has_failed and time.monotonic() - self._opened_at > RENEW_SECONDS:
            former, self._channel, self._opened_at = self._channel, self._open(), time.monotonic()
            self._channel.get_state(try_to_connect=True)
            closing = self._loop.create_task(former.close(GRACE_SECONDS))
            self._replaced[former] = closing
            closing.add_done_callback(lambda _: self._replaced.pop(former))
        return self._channel
