"""The proxy passes bytes on unchanged, and slows, cuts and silences connections when it should."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.chaos.link import Disturbance, Link
from tests.polling import until


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def linked() -> AsyncGenerator[tuple[Link, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a link before a server that sends everything back, and an open connection through it."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Link(0, server.sockets[0].getsockname()[1]) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        yield link, reader, writer
        writer.close()


async def test_a_link_passes_bytes_on_unchanged_and_ends_with_the_connection() -> None:
    async with linked() as (_, reader, writer):
        data = bytes(range(256)) * 4096
        writer.write(data)
        writer.write_eof()

        assert await reader.read(-1) == data


async def test_a_slow_link_loses_nothing() -> None:
    async with linked() as (link, reader, writer):
        link.disturb(Disturbance(latency_seconds=0.01))
        writer.write(b"late")

        assert await reader.readexactly(4) == b"late"


async def test_a_link_resets_an_open_connection_after_some_bytes() -> None:
    async with linked() as (link, reader, writer):
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        link.disturb(Disturbance(reset_after_bytes=3))

        writer.write(b"abcdef")

        with pytest.raises(ConnectionResetError):
            await reader.readexactly(6)


async def test_a_half_open_link_passes_nothing_and_resets_when_it_heals() -> None:
    async with linked() as (link, reader, writer):
        link.disturb(Disturbance(is_half_open=True))
        writer.write(b"lost")
        reading = asyncio.create_task(reader.read(4))
        await until(lambda: link.held)
        was_silent = not reading.done()
        link.heal()

        with pytest.raises(ConnectionResetError):
            await reading
        assert was_silent


async def test_a_healed_link_takes_new_connections() -> None:
    async with linked() as (link, _, _):
        link.disturb(Disturbance(reset_after_bytes=0))
        link.heal()
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"fine")

        assert await reader.readexactly(4) == b"fine"
        writer.close()


async def test_a_link_without_a_server_resets() -> None:
    unused = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    await unused.wait_closed()
    async with Link(0, port) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)

        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
