"""Uploads that stay open take little: a few of each user, some memory, and some time."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from common import errors
from gateway.http.upload_gate import UploadGate, UploadTime
from loupe_local.stack import Stack
from tests.gateway.harness import Harness, People, Person, a_request, gateway_on, settings_of
from tests.gateway.raw_http import Answer, Connection, connect

PART = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
TEXT = "Service temporarily unavailable."


@pytest.fixture(scope="module")
async def person(people: People) -> Person:
    return await people.new("professional")


@pytest.fixture(scope="module")
async def other(people: People) -> Person:
    return await people.new("professional")


def head(person: Person, length: int = 9_900_000) -> bytes:
    return (
        f"POST /api/images/upscale HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {person.token}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@contextlib.asynccontextmanager
async def open_uploads(gateway: Harness, person: Person, count: int) -> AsyncGenerator[list[Connection]]:
    """Open that many uploads, of which most has not arrived yet."""
    gate = gateway.backend.upload_gate
    async with contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connect(gateway.url)) for _ in range(count)]
        for connection in opened:
            before = gate.open
            await connection.send(head(person) + PART + bytes(100_000))
            while gate.open == before:
                await asyncio.sleep(0.01)
        yield opened


async def answer_to_another(gateway: Harness, person: Person) -> Answer:
    async with connect(gateway.url) as connection:
        await connection.send(head(person) + PART)
        return await connection.answer()


def assert_busy(answer: Answer, code: str) -> None:
    assert (answer.status, answer.json["code"], answer.json["message"]) == (503, code, TEXT)
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["connection"] == "close"


async def test_the_ninth_upload_of_a_user_is_refused_and_other_users_are_served(
    stack: Stack, person: Person, other: Person
) -> None:
    settings = settings_of(stack, upload_wait_seconds=0.2)
    async with gateway_on(settings) as gateway, open_uploads(gateway, person, 8):
        assert_busy(await answer_to_another(gateway, person), "too_many_uploads")
        async with open_uploads(gateway, other, 1):
            assert gateway.backend.upload_gate.open == 9


async def test_a_further_upload_waits_for_its_turn(stack: Stack, person: Person) -> None:
    settings = settings_of(stack, uploads_per_user=1, upload_wait_seconds=20)
    async with gateway_on(settings) as gateway, connect(gateway.url) as waiting:
        async with open_uploads(gateway, person, 1):
            await waiting.send(head(person, len(PART) + 3) + PART)
        await waiting.send(b"abc")
        answer = await waiting.answer()

    assert (answer.status, answer.json["code"]) == (400, "malformed_body")


async def test_uploads_beyond_the_memory_are_refused_whoever_sends_them(
    stack: Stack, person: Person, other: Person
) -> None:
    settings = settings_of(stack, upload_memory_bytes=3 << 20)
    async with gateway_on(settings) as gateway:
        async with open_uploads(gateway, person, 3):
            assert_busy(await answer_to_another(gateway, other), "uploads_full")
        while gateway.backend.upload_gate.open:
            await asyncio.sleep(0.01)
        async with open_uploads(gateway, other, 1):
            pass


async def test_a_body_that_trickles_beyond_its_time_is_refused(stack: Stack, person: Person) -> None:
    settings = settings_of(stack, upload_seconds=0.1, upload_bytes_per_second=100_000_000)
    async with gateway_on(settings) as gateway, open_uploads(gateway, person, 1) as [connection]:
        with contextlib.suppress(ConnectionError):
            while gateway.backend.upload_gate.open:
                await connection.send(b"x")
                await asyncio.sleep(0.01)
        answer = await connection.answer()

    assert (answer.status, answer.json["code"]) == (408, "request_timeout")


@pytest.mark.parametrize(("size", "seconds"), [(0, 120), (64 << 10, 121), (10 << 20, 280), (200 << 20, 3320)])
def test_an_upload_has_two_minutes_and_a_second_for_each_64_kib(size: int, seconds: float) -> None:
    assert UploadTime().seconds_for(size) == seconds


def test_the_declared_length_counts_and_for_chunks_what_has_arrived() -> None:
    declared = a_request(headers=[("Content-Length", str(10 << 20))])

    UploadTime().check(declared, 0, 279)
    UploadTime().check(a_request(), 10 << 20, 279)
    with pytest.raises(errors.FailedPrecondition):
        UploadTime().check(declared, 10 << 20, 281)
    with pytest.raises(errors.FailedPrecondition):
        UploadTime().check(a_request(), 1 << 20, 140)


async def test_an_upload_that_fails_gives_its_place_back() -> None:
    gate = UploadGate(memory_bytes=1 << 20, per_user=1, wait_seconds=0)

    with pytest.raises(ZeroDivisionError):
        async with gate.admit(1):
            raise ZeroDivisionError

    async with gate.admit(1):
        assert gate.open == 1
