"""A file behind a link comes with its name, whole or not at all, and each failure has its own text."""

import asyncio
import gzip
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import pytest

from common import errors
from loupe.contract import LARGEST_UPLOAD_BYTES
from loupe.outbound.v1 import outbound_pb2 as pb
from outbound.fetches import CHUNK_BYTES
from tests.outbound.harness import OutboundHarness
from tests.outbound.servers import Handler, answer, host

PHOTO = bytes(range(256)) * 4096


async def fetch(outbound: OutboundHarness, url: str) -> tuple[pb.FetchResponse.Head, list[bytes]]:
    request = pb.FetchRequest(url=url, field="image_url")
    parts = [part async for part in outbound.user().Fetch(request)]
    return parts[0].head, [part.chunk for part in parts[1:]]


async def refusal(outbound: OutboundHarness, reply: bytes | Handler) -> errors.InvalidArgument:
    async with host(reply) as server:
        with pytest.raises(errors.InvalidArgument) as caught:
            await fetch(outbound, server.url)
    assert list(caught.value.fields) == ["image_url"]
    return caught.value


async def name(outbound: OutboundHarness, path: str, disposition: str | None = None) -> str:
    headers = {} if disposition is None else {"Content-Disposition": disposition}
    async with host(answer(PHOTO, **headers)) as server:
        head, _ = await fetch(outbound, f"http://127.0.0.1:{server.port}{path}")
    return head.filename


async def test_a_file_arrives_whole_and_in_chunks(outbound: OutboundHarness) -> None:
    async with host(answer(PHOTO, Content_Type="image/jpeg")) as server:
        head, chunks = await fetch(outbound, server.url)

    assert b"".join(chunks) == PHOTO
    assert {len(chunk) for chunk in chunks} == {CHUNK_BYTES}
    assert head == pb.FetchResponse.Head(filename="photo.jpg", content_type="image/jpeg", bytes=len(PHOTO))


async def test_a_compressed_file_arrives_decompressed(outbound: OutboundHarness) -> None:
    async with host(answer(gzip.compress(PHOTO), Content_Encoding="gzip")) as server:
        head, chunks = await fetch(outbound, server.url)

    assert b"".join(chunks) == PHOTO
    assert not head.HasField("bytes")


async def test_the_largest_upload_may_come_from_a_link(outbound: OutboundHarness) -> None:
    async with host(answer(bytes(LARGEST_UPLOAD_BYTES))) as server:
        _, chunks = await fetch(outbound, server.url)

    assert sum(map(len, chunks)) == LARGEST_UPLOAD_BYTES


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        (None, "photo.jpg"),
        ("inline", "photo.jpg"),
        ("", "photo.jpg"),
        ("attachment; filename=cat.png", "cat.png"),
        ('attachment; filename="my cat; 1.png"', "my cat; 1.png"),
        ('attachment; FileName="cat.png"', "cat.png"),
        ("attachment; filename=\"plain.png\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.png", "naïve €.png"),
        ("attachment; filename*=UTF-8''b%C3%BC.png; filename=\"plain.png\"", "bü.png"),
        ("attachment; filename*=ISO-8859-1'en'%A3.png", "£.png"),
        ("attachment; filename*=rot13''cat.png", "cat.png"),
        ('attachment; filename="bü.png"', "bü.png"),
        ('attachment; filename="' + "a" * 5000 + '.png"', "photo.jpg"),
        ('attachment; filename="' + ";" * 4000 + '"', ";" * 4000),
    ],
)
async def test_the_name_comes_from_the_header_or_from_the_path(
    outbound: OutboundHarness, disposition: str | None, expected: str
) -> None:
    assert await name(outbound, "/albums/photo.jpg?size=large", disposition) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ""),
        ("/a/", ""),
        ("/b%C3%BC%20x.png", "bü x.png"),
        ("/..%2Fx.png", "../x.png"),
        ("/%FF.png", "\ufffd.png"),
    ],
)
async def test_the_name_in_a_path_is_decoded(outbound: OutboundHarness, path: str, expected: str) -> None:
    assert await name(outbound, path) == expected


@pytest.mark.parametrize(
    ("status", "reason", "text"),
    [
        ("404 Not Found", "not_found", "The image url leads to no file: its host answered 404."),
        ("410 Gone", "not_found", "The image url leads to no file: its host answered 410."),
        ("403 Forbidden", "status_refused", "The host of the image url answered 403 instead of with a file."),
        ("500 Oops", "status_refused", "The host of the image url answered 500 instead of with a file."),
        (
            "204 No Content",
            "status_refused",
            "The host of the image url answered 204 instead of with a file.",
        ),
        ("302 Found", "status_refused", "The host of the image url answered 302 instead of with a file."),
    ],
)
async def test_another_status_has_its_own_text(
    outbound: OutboundHarness, status: str, reason: str, text: str
) -> None:
    error = await refusal(outbound, answer(status=status))

    assert (error.reason, error.fields) == (reason, {"image_url": [text]})


async def test_each_failure_has_its_own_text(outbound: OutboundHarness) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    head = f"HTTP/1.1 200 OK\r\nContent-Length: {LARGEST_UPLOAD_BYTES + 1}\r\n\r\n".encode()
    undeclared = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(LARGEST_UPLOAD_BYTES + 1)
    too_large = "The image url leads to a file of more than 10 MB."
    replies: dict[str, bytes | Handler] = {
        too_large: head,
        "The image url leads to an empty file.": answer(b""),
        "The image url redirects more than 3 times.": answer(status="302 Found", Location="/photo.jpg"),
        "The host of the image url did not answer in valid HTTP.": b"SSH-2.0-OpenSSH_9.2\r\n",
        "The host of the image url did not send all of its answer within 3 s.": never,
        "The image url redirects to another URL, which is refused. "
        "That URL leads to an address that is not on the public internet.": answer(
            status="302 Found", Location="http://10.0.0.1/"
        ),
    }
    for text, reply in replies.items():
        error = await refusal(outbound, reply)
        assert error.fields == {"image_url": [text]}

    assert (await refusal(outbound, undeclared)).fields == {"image_url": [too_large]}


async def test_a_file_that_breaks_off_is_an_error_after_its_chunks(outbound: OutboundHarness) -> None:
    broken = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(CHUNK_BYTES)
    async with host(broken) as server:
        call = outbound.user().Fetch(pb.FetchRequest(url=server.url, field="image_url"))
        async with aclosing(cast("AsyncGenerator[pb.FetchResponse]", call)) as answers:
            parts = [(await anext(answers)).WhichOneof("part") for _ in range(2)]
            with pytest.raises(errors.InvalidArgument) as caught:
                await anext(answers)

    assert parts == ["head", "chunk"]
    assert caught.value.reason == "answer_invalid"


async def test_a_caller_that_goes_away_ends_the_fetch(outbound: OutboundHarness) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(bytes(1000))
            await writer.drain()
            await asyncio.sleep(0.001)

    async with host(endless) as server:
        call = outbound.user().Fetch(pb.FetchRequest(url=server.url, field="image_url"))
        async with aclosing(cast("AsyncGenerator[pb.FetchResponse]", call)) as parts:
            assert (await anext(parts)).HasField("head")
        await server.closed.wait()


async def test_a_link_is_fetched_for_users_who_may_write_images_and_for_images(
    outbound: OutboundHarness,
) -> None:
    async with host(answer(PHOTO)) as server:
        request = pb.FetchRequest(url=server.url, field="image_url")
        for stub in (outbound.user(7, "images:read"), outbound.service("gateway")):
            with pytest.raises(errors.PermissionDenied):
                async for _ in stub.Fetch(request):
                    pass
        refused = server.connections
        parts = [part async for part in outbound.service("images").Fetch(request)]

    assert (refused, parts[0].head.filename) == (0, "photo.jpg")


async def test_each_link_of_a_list_is_checked_without_a_fetch(outbound: OutboundHarness) -> None:
    async with host(answer(PHOTO)) as server:
        urls = [server.url, "no url", "https://192.168.0.1/", server.url]
        request = pb.CheckLinksRequest(urls=urls, field="image_url")
        problems = (await outbound.user().CheckLinks(request)).problems

    assert [bool(problem) for problem in problems] == [False, True, True, False]
    assert problems[2] == "The image url leads to an address that is not on the public internet."
    assert server.connections == 0
