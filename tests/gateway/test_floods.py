"""Endless bodies and connections cost the gateway, here its own process, hardly any memory."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

import psutil
import pytest

from loupe_local.stack import Stack
from tests.gateway.harness import People, Person
from tests.gateway.raw_http import Answer, Connection, connect

MIB = 1 << 20
PART = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
FILE = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
MULTIPART = "Content-Type: multipart/form-data; boundary=x\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
async def person(people: People) -> Person:
    return await people.new("professional")


@contextlib.asynccontextmanager
async def no_growth(stack: Stack) -> AsyncGenerator[None]:
    """Check that the gateway's own memory does not grow meanwhile."""
    process = psutil.Process(stack.stores.supervisor.pid("gateway"))
    before = most = process.memory_full_info().uss
    done = asyncio.Event()

    async def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, process.memory_full_info().uss)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), 0.05)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        done.set()
        await watching
    assert (most - before) / MIB < 32


async def upload(stack: Stack, person: Person, headers: str, pieces: Iterator[bytes]) -> tuple[Answer, int]:
    """Return the answer, and the number of bytes sent before it."""
    async with connect(stack.api) as connection:
        await connection.send(
            f"POST /api/images/upscale HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {person.token}\r\n"
            f"{headers}\r\n".encode()
        )
        sending = asyncio.create_task(send_chunks(connection, pieces))
        answer = await connection.answer()
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await sending
        return answer, connection.sent


async def send_chunks(connection: Connection, pieces: Iterator[bytes]) -> None:
    for piece in pieces:
        await connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))


def ten_thousand_parts() -> Iterator[bytes]:
    for number in range(10_000):
        yield PART % b"a%d" % number + b"1\r\n"


def ten_thousand_parts_in_one() -> Iterator[bytes]:
    yield b"".join(ten_thousand_parts())


def a_long_field() -> Iterator[bytes]:
    yield PART % b"scale_factor"
    for _ in range(1600):
        yield b"2" * (64 << 10)


def a_long_part_head() -> Iterator[bytes]:
    yield b"--x\r\nContent-Disposition: form-data; name="
    for _ in range(1600):
        yield b"a" * (64 << 10)


def a_gigabyte() -> Iterator[bytes]:
    yield FILE
    for _ in range(16 << 10):
        yield bytes(64 << 10)


def a_gigabyte_behind_the_image() -> Iterator[bytes]:
    yield FILE + b"not even a picture\r\n" + PART % b"unknown"
    for _ in range(16 << 10):
        yield bytes(64 << 10)


def a_gigabyte_before_the_first_part() -> Iterator[bytes]:
    for _ in range(16 << 10):
        yield b"\r\n" * (32 << 10)


@pytest.mark.parametrize(
    ("pieces", "possible"),
    [
        (ten_thousand_parts, {(400, "malformed_body")}),
        (ten_thousand_parts_in_one, {(400, "malformed_body")}),
        (a_long_field, {(400, "malformed_body")}),
        (a_long_part_head, {(400, "malformed_body")}),
        (
            a_gigabyte,
            {(422, "validation_failed"), (413, "body_too_large")},
        ),  # depends on which limit is reached first
        (a_gigabyte_behind_the_image, {(413, "body_too_large")}),
        (a_gigabyte_before_the_first_part, {(413, "body_too_large")}),
    ],
)
async def test_an_endless_body_is_refused_early(
    stack: Stack, person: Person, pieces: Callable[[], Iterator[bytes]], possible: set[tuple[int, str]]
) -> None:
    async with no_growth(stack):
        answer, sent = await upload(stack, person, MULTIPART + CHUNKED, pieces())

    assert (answer.status, answer.json["code"]) in possible
    assert answer.headers["connection"] == "close"
    assert sent < 256 * MIB  # of 1,024; the machine decides how much is in flight when the answer comes


async def test_endless_headers_are_refused(stack: Stack) -> None:
    async def one() -> int:
        async with connect(stack.api) as connection:
            await connection.send(b"GET /api/user HTTP/1.1\r\nHost: here\r\n")
            await many(lambda: connection.send(b"X-A: " + b"a" * 1000 + b"\r\n"), 80)
            return (await connection.answer()).status

    async with no_growth(stack):
        found = await asyncio.gather(*(one() for _ in range(100)))

    assert set(found) == {431}


async def many(call: Callable[[], Awaitable[None]], times: int) -> None:
    with contextlib.suppress(ConnectionError):
        for _ in range(times):
            await call()


async def test_slow_clients_do_not_block_others(stack: Stack) -> None:
    async with no_growth(stack), contextlib.AsyncExitStack() as slow_clients:
        for _ in range(300):
            slow = await slow_clients.enter_async_context(connect(stack.api))
            await slow.send(b"POST /api/auth/login HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n")

        async with connect(stack.api) as connection:
            await connection.send(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            answer = await connection.answer()

    assert answer.status == 200
