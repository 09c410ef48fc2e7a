"""Bodies and connections without measure cost the gateway, here a process of its own, hardly any memory."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

import psutil
import pytest

from loupe_local.stack import Stack
from tests.gateway.gateway_rig import People, Person
from tests.gateway.raw_http import Answer, Wire, wire

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
    """Of the memory that is the gateway's own."""
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
    """The answer, and how many bytes were sent until it came."""
    async with wire(stack.api) as opened:
        await opened.send(
            f"POST /api/images/upscale HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {person.token}\r\n"
            f"{headers}\r\n".encode()
        )
        sending = asyncio.create_task(all_of(opened, pieces))
        answer = await opened.answer()
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await sending
        return answer, opened.sent


async def all_of(opened: Wire, pieces: Iterator[bytes]) -> None:
    for piece in pieces:
        await opened.send(b"%x\r\n%s\r\n" % (len(piece), piece))


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
        (a_gigabyte, {(422, "validation_failed"), (413, "body_too_large")}),  # whoever sees it first
        (a_gigabyte_behind_the_image, {(413, "body_too_large")}),
        (a_gigabyte_before_the_first_part, {(413, "body_too_large")}),
    ],
)
async def test_a_body_without_measure_is_refused_early(
    stack: Stack, person: Person, pieces: Callable[[], Iterator[bytes]], possible: set[tuple[int, str]]
) -> None:
    async with no_growth(stack):
        answer, sent = await upload(stack, person, MULTIPART + CHUNKED, pieces())

    assert (answer.status, answer.json["code"]) in possible
    assert answer.headers["connection"] == "close"
    assert sent < 256 * MIB  # of 1,024: how much is on its way when the answer comes depends on the machine


async def test_heads_without_end_are_refused(stack: Stack) -> None:
    async def one() -> int:
        async with wire(stack.api) as opened:
            await opened.send(b"GET /api/user HTTP/1.1\r\nHost: here\r\n")
            await many(lambda: opened.send(b"X-A: " + b"a" * 1000 + b"\r\n"), 80)
            return (await opened.answer()).status

    async with no_growth(stack):
        found = await asyncio.gather(*(one() for _ in range(100)))

    assert set(found) == {431}


async def many(call: Callable[[], Awaitable[None]], times: int) -> None:
    with contextlib.suppress(ConnectionError):
        for _ in range(times):
            await call()


async def test_others_are_served_beside_a_crowd_of_the_slow(stack: Stack) -> None:
    async with no_growth(stack), contextlib.AsyncExitStack() as crowd:
        for _ in range(300):
            slow = await crowd.enter_async_context(wire(stack.api))
            await slow.send(b"POST /api/auth/login HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n")

        async with wire(stack.api) as opened:
            await opened.send(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            answer = await opened.answer()

    assert answer.status == 200
