"""What arrives too slowly is answered in the envelope, ends its connection, and leaves nothing behind."""

import asyncio
import gc
from collections.abc import AsyncGenerator

import pytest

from gateway.http.protocol import Protocol
from tests.gateway.gateway_rig import Gateway, gateway_on, nobody_is_left, unconnected
from tests.gateway.raw_http import assert_refused, exchange, wire

HOST = b"Host: here\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
POST = b"POST /api/auth/login HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
async def hasty() -> AsyncGenerator[Gateway]:
    deadlines = {"head_seconds": 0.6, "body_seconds": 0.6, "write_seconds": 0.6}
    async with gateway_on(unconnected(**deadlines), alone=True) as running:
        yield running


@pytest.fixture(scope="module")
async def patient() -> AsyncGenerator[Gateway]:
    async with gateway_on(unconnected(body_seconds=1.0, body_bytes_per_second=1), alone=True) as running:
        yield running


async def test_a_head_that_does_not_end_in_time_is_refused(hasty: Gateway) -> None:
    answer, rest = await exchange(hasty.url, GET + b"X-A: a")

    assert_refused(answer, rest, 408, "request_timeout")


async def test_a_head_that_drips_is_refused_all_the_same(hasty: Gateway) -> None:
    async with wire(hasty.url) as opened:
        dripping = asyncio.create_task(drip(opened.writer, GET, b"X"))
        answer, rest = await opened.answer(), await opened.rest()
        dripping.cancel()

    assert_refused(answer, rest, 408, "request_timeout")


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_a_connection_that_says_nothing_is_closed(hasty: Gateway, sent: bytes) -> None:
    async with wire(hasty.url) as opened:
        await opened.send(sent)
        rest = await opened.rest()

    assert rest == b""


async def test_a_second_head_has_a_deadline_too(hasty: Gateway) -> None:
    async with wire(hasty.url) as opened:
        await opened.send(GET + b"\r\n")
        first = await opened.answer()
        await opened.send(GET)
        second, rest = await opened.answer(), await opened.rest()

    assert first.status == 200
    assert_refused(second, rest, 408, "request_timeout")


@pytest.mark.parametrize("length", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("begin", [b"", b"3\r\nabc\r\n"])
async def test_a_body_that_stops_is_refused(hasty: Gateway, length: bytes, begin: bytes) -> None:
    answer, rest = await exchange(hasty.url, POST + length + b"\r\n\r\n" + begin)

    assert "ratelimit" in answer.headers
    assert_refused(answer, rest, 408, "request_timeout")


async def test_a_body_that_drips_is_refused(hasty: Gateway) -> None:
    async with wire(hasty.url) as opened:
        head = POST + b"Content-Length: 60000\r\n\r\n"
        dripping = asyncio.create_task(drip(opened.writer, head, b"x"))
        answer, rest = await opened.answer(), await opened.rest()
        dripping.cancel()

    assert_refused(answer, rest, 408, "request_timeout")


async def test_a_body_that_comes_steadily_may_take_longer(patient: Gateway) -> None:
    """Over several spans of the deadline."""
    async with wire(patient.url) as opened:
        await opened.send(POST + b"Content-Length: 6000\r\n\r\n")
        for _ in range(30):
            await opened.send(b"x" * 200)
            await asyncio.sleep(0.08)
        answer = await opened.answer()

    assert (answer.status, answer.json["code"]) == (400, "malformed_body")


async def test_a_client_that_does_not_read_is_cut_off(hasty: Gateway) -> None:
    await nobody_is_left(hasty)
    async with wire(hasty.url) as opened:
        await opened.send(b"GET /api/endless HTTP/1.1\r\n" + HOST + b"\r\n")
        head = await opened.reader.readuntil(b"\r\n\r\n")
        await nobody_is_left(hasty)

    assert head.startswith(b"HTTP/1.1 200 ")


async def test_nothing_is_left_of_those_that_are_refused(hasty: Gateway) -> None:
    await nobody_is_left(hasty)
    tasks = len(asyncio.all_tasks())
    begun = [GET + b"X-A: a", POST + b"Content-Length: 9\r\n\r\n{", CHUNKED + b"5\r\na", b"", b"nonsense\r\n"]

    async def one(data: bytes) -> None:
        async with wire(hasty.url) as opened:
            await opened.send(data)
            await opened.rest()

    await asyncio.gather(*(one(data) for data in begun * 20))
    await nobody_is_left(hasty)

    gc.collect()
    assert len(asyncio.all_tasks()) == tasks
    assert not [each for each in gc.get_objects() if isinstance(each, Protocol)]


async def drip(writer: asyncio.StreamWriter, head: bytes, each: bytes) -> None:
    writer.write(head)
    while True:
        writer.write(each)
        await asyncio.sleep(0.02)
