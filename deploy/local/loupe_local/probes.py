"""Check whether a server is ready. The supervisor repeats a probe until it returns true."""

import asyncio
from collections.abc import Awaitable, Callable

Probe = Callable[[], Awaitable[bool]]


def tcp_open(host: str, port: int) -> Probe:
    async def probe() -> bool:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            return False
        writer.close()
        return True

    return probe


def http_ok(host: str, port: int, path: str = "/readyz") -> Probe:
    async def probe() -> bool:
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            return False
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
            status_line = await reader.readline()
        except OSError:
            return False
        finally:
            writer.close()
        return b" 200 " in status_line

    return probe
