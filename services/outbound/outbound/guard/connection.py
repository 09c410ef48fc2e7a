# ruff: noqa: ASYNC109  httpcore2 passes `timeout`
"""Connects to checked addresses alone, and counts what arrives.

`httpcore2` asks this backend for each connection. The name in the URL stays the name in TLS (SNI,
certificate) and in the header Host, but only the addresses that the guard has checked are ever connected to.
"""

import ssl
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any

from httpcore2 import (
    SOCKET_OPTION,
    AnyIOBackend,
    AsyncNetworkBackend,
    AsyncNetworkStream,
    ConnectError,
    ConnectTimeout,
)

from outbound.guard.addresses import Address
from outbound.guard.refused import Reason, Refused

MOST_ATTEMPTS = 4
"""Addresses of one host that are tried, one after the other."""
READ_BYTES = 64 << 10


def too_large(limit_bytes: int) -> Refused:
    return Refused(Reason.TOO_LARGE, f"The {{field}} leads to a file of more than {limit_bytes >> 20} MB.")


class Budget:
    """Counts the bytes that a connection receives: headers, bodies, framing."""

    def __init__(self, body_bytes: int, other_bytes: int) -> None:
        self._body_bytes = body_bytes
        self._left = body_bytes + other_bytes

    def take(self, count: int) -> None:
        """Raise `Refused` if more bytes have come than allowed."""
        self._left -= count
        if self._left < 0:
            raise too_large(self._body_bytes)


class CheckedBackend(AsyncNetworkBackend):
    """Opens connections to these addresses, whatever host is asked for. Without addresses it connects to the
    host, which is then the operator's proxy.
    """

    def __init__(self, addresses: Sequence[Address], connect_seconds: float, budget: Budget) -> None:
        self._addresses = addresses
        self._connect_seconds = connect_seconds
        self._budget = budget
        self._sockets = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        hosts = [str(address) for address in self._addresses[:MOST_ATTEMPTS]] or [host]
        *others, last = hosts
        for each in others:
            try:
                return await self._connect(each, port)
            except (ConnectError, ConnectTimeout):
                continue
        return await self._connect(last, port)

    async def _connect(self, host: str, port: int) -> AsyncNetworkStream:
        stream = await self._sockets.connect_tcp(host, port, timeout=self._connect_seconds)
        peer = ip_address(stream.get_extra_info("server_addr")[0])
        if self._addresses and peer not in self._addresses:
            await stream.aclose()
            raise ConnectError(f"connected to {peer} instead of {host}")
        return _CountedStream(stream, self._budget)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SOCKET_OPTION] | None = None
    ) -> AsyncNetworkStream:
        raise ConnectError("the guard opens no Unix sockets")


class _CountedStream(AsyncNetworkStream):
    """A stream that takes what it reads from a budget."""

    def __init__(self, stream: AsyncNetworkStream, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(min(max_bytes, READ_BYTES), timeout)
        self._budget.take(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncNetworkStream:
        stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return _CountedStream(stream, self._budget)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
