"""A request that arrives too slowly is refused in the envelope, and its connection closes."""

import asyncio
import gc
from collections.abc import AsyncGenerator

import pytest

from gateway.http.protocol import Protocol
from tests.gateway.harness import Harness, gateway_on, settings_without_services, until_idle
from tests.gateway.raw_http import assert_refused, connect, exchange

HOST = b"Host: here\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
POST = b"POST /api/auth/login HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
async def impatient() -> AsyncGenerator[Harness]:
    deadlines = {"head_seconds": 0.6, "body_seconds": 0.6, "write_seconds": 0.6}
    async with gateway_on(settings_without_services(**deadlines), wait_for_services=False) as running:
        yield running


@pytest.fixture(scope="module")
async def patient() -> AsyncGenerator[Harness]:
    async with gateway_on(
        settings_without_services(body_seconds=1.0, body_bytes_per_second=1), wait_for_services=False
    ) as running:
        yield running


async def test_headers_that_do_not_end_in_time_are_refused(impatient: Harness) -> None:
    answer, rest = await exchange(impatient.url, GET + b"X-A: a")

    assert_refused(answer, rest, 408, "request_timeout")


async def test_headers_that_arrive_byte_by_byte_are_refused(impatient: Harness) -> None:
    async with connect(impatient.url) as connection:
        sending = asyncio.create_task(send_slowly(connection.writer, GET, b"X"))
        answer, rest = await connection.answer(), await connection.rest()
        sending.cancel()

    assert_refused(answer, rest, 408, "request_timeout")


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_a_silent_connection_is_closed(impatient: Harness, sent: bytes) -> None:
    async with connect(impatient.url) as connection:
        await connection.send(sent)
        rest = await connection.rest()

    assert rest == b""


async def test_a_second_request_has_a_deadline_too(impatient: Harness) -> None:
    async with connect(impatient.url) as connection:
        await connection.send(GET + b"\r\n")
        first = await connection.answer()
        await connection.send(GET)
        second, rest = await connection.answer(), await connection.rest()

    assert first.status == 200
    assert_refused(second, rest, 408, "request_timeout")


@pytest.mark.parametrize("length", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("begin", [b"", b"3\r\nabc\r\n"])
async def test_a_body_that_stops_is_refused(impatient: Harness, length: bytes, begin: bytes) -> None:
    answer, rest = await exchange(impatient.url, POST + length + b"\r\n\r\n" + begin)

    assert "ratelimit" in answer.headers
    assert_refused(answer, rest, 408, "request_timeout")


async def test_a_body_that_arrives_byte_by_byte_is_refused(impatient: Harness) -> None:
    async with connect(impatient.url) as connection:
        head = POST + b"Content-Length: 60000\r\n\r\n"
        sending = asyncio.create_task(send_slowly(connection.writer, head, b"x"))
        answer, rest = await connection.answer(), await connection.rest()
        sending.cancel()

    assert_refused(answer, rest, 408, "request_timeout")


async def test_a_steady_body_may_take_longer(patient: Harness) -> None:
    """It takes several intervals of the deadline."""
    async with connect(patient.url) as connection:
        await connection.send(POST + b"Content-Length: 6000\r\n\r\n")
        for _ in range(30):
            await connection.send(b"x" * 200)
            await asyncio.sleep(0.08)
        answer = await connection.answer()

    assert (answer.status, answer.json["code"]) == (400, "malformed_body")


async def test_a_client_that_does_not_read_is_disconnected(impatient: Harness) -> None:
    await until_idle(impatient)
    async with connect(impatient.url) as connection:
        await connection.send(b"GET /api/endless HTTP/1.1\r\n" + HOST + b"\r\n")
        head = await connection.reader.readuntil(b"\r\n\r\n")
        await until_idle(impatient)

    assert head.startswith(b"HTTP/1.1 200 ")


async def test_refused_requests_leave_nothing_behind(impatient: Harness) -> None:
    await until_idle(impatient)
    tasks = len(asyncio.all_tasks())
    incomplete = [
        GET + b"X-A: a",
        POST + b"Content-Length: 9\r\n\r\n{",
        CHUNKED + b"5\r\na",
        b"",
        b"nonsense\r\n",
    ]

    async def one(data: bytes) -> None:
        async with connect(impatient.url) as connection:
            await connection.send(data)
            await connection.rest()

    await asyncio.gather(*(one(data) for data in incomplete * 20))
    await until_idle(impatient)

    gc.collect()
    assert len(asyncio.all_tasks()) == tasks
    assert not [each for each in gc.get_objects() if isinstance(each, Protocol)]


async def send_slowly(writer: asyncio.StreamWriter, head: bytes, each: bytes) -> None:
    writer.write(head)
    while True:
        writer.write(each)
        await asyncio.sleep(0.02)
