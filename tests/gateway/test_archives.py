"""Archives of batches: their memory, their ends, and what happens to them when something disappears."""

import contextlib
import os
import resource
import zipfile
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from gateway.archives.zip_file import Broken, Member, ZipFile
from loupe.images.v1 import images_pb2 as pb
from loupe_local.stack import Stack
from tests.gateway.harness import Harness, People, gateway_on, settings_of
from tests.gateway.made_up_images import MadeUpImages, making_up, serving
from tests.polling import until

ARCHIVE = "/api/batches/7/archive"
GIB = 1 << 30
SIZES_OF_FIVE_GIB = [4 * GIB + 5, *[20 << 20] * 50]
MOST_GROWTH_BYTES = 192 << 20


@pytest.fixture(scope="module")
async def token(people: People) -> str:
    return (await people.new("professional")).token


@contextlib.asynccontextmanager
async def gateway_before(stack: Stack, images: MadeUpImages) -> AsyncGenerator[Harness]:
    async with serving(images) as target, gateway_on(settings_of(stack, images_target=target)) as gateway:
        yield gateway


def largest_memory() -> int:
    """Return the most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


async def test_five_gigabytes_pass_through_without_being_in_memory(
    stack: Stack, token: str, tmp_path: Path
) -> None:
    async with (
        gateway_before(stack, making_up(SIZES_OF_FIVE_GIB)) as gateway,
        gateway.client(token) as client,
    ):
        before, received = largest_memory(), 0
        async with client.stream("GET", ARCHIVE) as answer:
            with (tmp_path / "batch.zip").open("wb") as file:
                async for chunk in answer.aiter_raw():
                    received += len(chunk)
                    if chunk.strip(b"\0"):
                        file.write(chunk)
                    else:
                        file.seek(len(chunk), os.SEEK_CUR)  # zeros take no place on the disk
        growth = largest_memory() - before

    with zipfile.ZipFile(tmp_path / "batch.zip") as archive:
        sizes = [member.file_size for member in archive.infolist()]
        small = archive.read("photo (2).png")
    assert received == int(answer.headers["content-length"]) > 5 * 10**9
    assert sizes[1:] == SIZES_OF_FIVE_GIB
    assert small == bytes(20 << 20)
    assert growth < MOST_GROWTH_BYTES


async def test_the_first_byte_comes_before_any_result_was_read(stack: Stack, token: str) -> None:
    images = making_up([1000])
    images.may_read.clear()
    async with (
        gateway_before(stack, images) as gateway,
        gateway.client(token) as client,
        client.stream("GET", ARCHIVE) as answer,
    ):
        chunks = answer.aiter_raw()
        first = await anext(chunks)
        images.may_read.set()
        rest = b"".join([chunk async for chunk in chunks])

    assert first.startswith(b"PK\x03\x04")
    assert len(first) + len(rest) == int(answer.headers["content-length"])


@pytest.mark.parametrize("gone_after", [0, 512 << 10])
async def test_an_object_that_disappears_breaks_the_connection(
    stack: Stack, token: str, gone_after: int
) -> None:
    images = making_up([1000, 1 << 20], gone_after=gone_after)
    async with gateway_before(stack, images) as gateway, gateway.client(token) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get(ARCHIVE)


async def test_a_client_that_goes_away_frees_everything(stack: Stack, token: str) -> None:
    images = making_up([GIB])
    async with gateway_before(stack, images) as gateway, gateway.client(token) as client:
        statuses = list[int]()
        for _ in range(3):
            async with client.stream("GET", ARCHIVE) as answer:
                await anext(answer.aiter_raw(1 << 20))
                statuses.append(answer.status_code)
            await until(lambda: not images.reading and not gateway.backend.archive_places.count)

    assert statuses == [200, 200, 200]


async def test_a_user_gets_two_archives_at_a_time(stack: Stack, token: str, people: People) -> None:
    other = await people.new("professional")
    images = making_up([1000])
    images.may_read.clear()
    async with (
        gateway_before(stack, images) as gateway,
        gateway.client(token) as client,
        gateway.client(other.token) as others,
        client.stream("GET", ARCHIVE),
        client.stream("GET", ARCHIVE),
    ):
        third = await client.get(ARCHIVE)
        async with others.stream("GET", ARCHIVE) as of_other:
            pass

    assert (third.status_code, third.json()["code"]) == (429, "too_many_archives")
    assert int(third.headers["retry-after"]) > 0
    assert of_other.status_code == 200


@pytest.mark.parametrize("status", [pb.BATCH_STATUS_PENDING, pb.BATCH_STATUS_PROCESSING])
async def test_an_unfinished_batch_has_no_archive(stack: Stack, token: str, status: int) -> None:
    async with (
        gateway_before(stack, making_up([1000], status=status)) as gateway,
        gateway.client(token) as client,
    ):
        answer = await client.get(ARCHIVE)

    assert (answer.status_code, answer.json()["code"]) == (400, "batch_unfinished")


async def test_a_head_starts_no_archive(stack: Stack, token: str) -> None:
    images = making_up([1000])
    async with gateway_before(stack, images) as gateway, gateway.client(token) as client:
        answer = await client.head(ARCHIVE)
        whole = await client.get(ARCHIVE)

    assert answer.headers["content-length"] == str(len(whole.content))
    assert answer.headers["accept-ranges"] == "none"
    assert answer.content == b""


async def test_more_images_than_a_page_has_are_all_in_the_archive(
    stack: Stack, token: str, tmp_path: Path
) -> None:
    async with gateway_before(stack, making_up([10] * 250)) as gateway, gateway.client(token) as client:
        answer = await client.get(ARCHIVE)

    (tmp_path / "batch.zip").write_bytes(answer.content)
    with zipfile.ZipFile(tmp_path / "batch.zip") as archive:
        assert len(archive.namelist()) == 251
        assert archive.testzip() is None


@pytest.mark.parametrize("length", [0, 9, 11])
async def test_a_file_of_another_length_breaks_the_archive(length: int) -> None:
    async def read() -> AsyncGenerator[bytes]:
        yield bytes(length)

    with pytest.raises(Broken):
        [chunk async for chunk in ZipFile([Member("a", 10, read)]).chunks()]
