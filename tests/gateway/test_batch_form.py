"""A form with several files becomes the messages of one call. No file is ever in memory as a whole."""

import tracemalloc
from collections.abc import AsyncGenerator, Iterable

import pytest

from common import errors
from gateway.http.multipart import CHUNK_BYTES
from gateway.routes.uploads import read_batch_form
from loupe.images.v1 import images_pb2 as pb
from tests.gateway.harness import a_request
from tests.gateway.multipart_bodies import PICTURE, a_body, a_part, cut

Files = list[tuple[str, bytes]]
Received = list[tuple[str, int]]
"""The kind of each message, and the length of its chunk."""
PIECE = bytes(64 << 10)


def messages(
    pieces: Iterable[bytes], content_type: str = "multipart/form-data; boundary=here", **headers: str
) -> AsyncGenerator[pb.CreateBatchRequest]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_batch_form(a_request(pieces, headers=[("Content-Type", content_type), *named.items()]))


async def parsed(pieces: Iterable[bytes]) -> tuple[Files, pb.CreateBatchRequest.Options]:
    """Return the files and the options. Checks the order of the messages too."""
    *sent, options = [message async for message in messages(pieces)]
    files: Files = []
    for message in sent:
        if message.WhichOneof("part") == "file":
            files.append((message.file.filename, b""))
        else:
            assert 0 < len(message.chunk) <= CHUNK_BYTES
            name, data = files.pop()
            files.append((name, data + message.chunk))
    assert options.WhichOneof("part") == "options"
    return files, options.options


async def refused(pieces: Iterable[bytes], code: str, **headers: str) -> tuple[errors.ServiceError, Received]:
    """Return the error with this code, and the messages before it."""
    received: Received = []

    async def receive() -> None:
        async for message in messages(pieces, **headers):
            received.append((message.WhichOneof("part") or "", len(message.chunk)))

    with pytest.raises(errors.ServiceError) as caught:
        await receive()
    assert caught.value.reason == code
    return caught.value, received


def large_files(count: int, pieces_each: int) -> list[bytes]:
    """Return a body in pieces of 64 KiB that are all the same object."""
    body: list[bytes] = []
    for number in range(count):
        body += [a_part("images[]", b"", f"{number}.png")[:-2], *[PIECE] * pieces_each, b"\r\n"]
    return [*body, a_body()]


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000, 1 << 20])
async def test_the_pieces_in_which_a_body_arrives_do_not_matter(size: int) -> None:
    body = a_body(
        a_part("name", "Ünlü photos".encode()),
        a_part("images[]", PICTURE, "one.png"),
        a_part("scale_factor", b"3"),
        a_part("images[]", b"two", "two.png"),
        a_part("images[]", b"", "three.png"),
        a_part("target_width", b"300"),
        a_part("target_height", b"200"),
    )

    files, options = await parsed(cut(body, size))

    assert files == [("one.png", PICTURE), ("two.png", b"two"), ("three.png", b"")]
    assert options == pb.CreateBatchRequest.Options(
        name="Ünlü photos", scale_factor="3", target_width="300", target_height="200", api_request=True
    )


@pytest.mark.parametrize(
    "names",
    [
        ("images[]", "images[]", "images[]"),
        ("images", "images", "images"),
        ("images[0]", "images[1]", "images[2]"),
        ("images[2]", "images[0]", "images[1]"),
        ("images", "images[]", "images[19]"),
    ],
)
async def test_every_spelling_of_the_list_keeps_the_order_of_arrival(names: tuple[str, ...]) -> None:
    parts = [a_part(name, str(place).encode(), f"{place}.png") for place, name in enumerate(names)]

    files, _ = await parsed([a_body(*parts)])

    assert files == [("0.png", b"0"), ("1.png", b"1"), ("2.png", b"2")]


async def test_other_fields_and_files_are_skipped() -> None:
    body = a_body(
        a_part("image", b"x" * 1_000_000, "single.png"),
        a_part("_token", b"y" * 100_000),
        a_part("images[]", PICTURE, "cat.png"),
        *[
            a_part(name, b"z", "no.png")
            for name in ("images[a]", "images[0][]", "ximages[]", "images[]x", "")
        ],
    )

    assert (await parsed(cut(body, 5000)))[0] == [("cat.png", PICTURE)]


async def test_a_form_without_files_has_only_options() -> None:
    files, options = await parsed([a_body(a_part("scale_factor", b"2"))])

    assert files == []
    assert options.HasField("scale_factor")
    assert not options.HasField("name")


async def test_an_empty_name_of_a_batch_is_passed_on() -> None:
    _, options = await parsed([a_body(a_part("name", b""))])

    assert options.HasField("name")


async def test_a_text_among_the_files_is_refused_with_its_position() -> None:
    body = a_body(a_part("images[]", PICTURE, "cat.png"), a_part("images[]", b"a text"))

    error, received = await refused([body], "validation_failed")

    assert error.fields == {"images.1": ["The images.1 must be a file."]}
    assert received == [("file", 0), ("chunk", len(PICTURE))]


async def test_file_twenty_one_is_refused_at_once() -> None:
    parts = [a_part("images[]", b"x", f"{place}.png") for place in range(20)]
    one_more = a_part("images[]", b"", "more")[:-2]

    files, _ = await parsed([a_body(*parts)])
    error, received = await refused([*parts, one_more, PIECE, PIECE], "validation_failed")

    assert len(files) == 20
    assert error.fields == {"images": ["The images may not have more than 20 items."]}
    assert received == [("file", 0), ("chunk", 1)] * 20


async def test_seventy_files_are_too_many_files_rather_than_too_many_parts() -> None:
    body = a_body(*[a_part("images[]", b"x", "x.png")] * 70)

    error, _ = await refused([body], "validation_failed")

    assert list(error.fields) == ["images"]


async def test_a_form_has_at_most_sixty_four_parts() -> None:
    parts = [a_part(f"field{number}", b"") for number in range(64)]

    good = await parsed([a_body(*parts[1:], a_part("images[]", PICTURE, "a.png"))])
    await refused([a_body(*parts, a_part("images[]", PICTURE, "a.png"))], "malformed_body")

    assert good[0] == [("a.png", PICTURE)]


@pytest.mark.parametrize("field", ["name", "scale_factor", "target_width", "target_height"])
async def test_a_text_field_has_at_most_4096_bytes(field: str) -> None:
    await parsed([a_body(a_part(field, b"1" * 4096))])

    error, _ = await refused(cut(a_body(a_part(field, b"1" * 4097)), 100), "malformed_body")

    assert error.message == f"The field {field} is too long."


async def test_a_body_that_ends_between_two_files_never_becomes_a_complete_call() -> None:
    _, received = await refused([a_part("images[]", b"x", "a.png")], "malformed_body")

    assert [part for part, _ in received] == ["file"]


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/mixed; boundary=here"])
async def test_another_content_type_is_a_missing_field(content_type: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await anext(messages([b"x"], content_type))

    assert caught.value.fields == {"images": ["The images field is required."]}


async def test_a_body_that_declares_too_many_bytes_is_not_read() -> None:
    body = a_body(a_part("images[]", PICTURE, "a.png"))

    error, received = await refused([body], "body_too_large", content_length=str((211 << 20) + 1))

    assert error.message == "The request body may not be greater than 211 MiB."
    assert received == []


async def test_two_hundred_megabytes_need_less_than_four_of_memory() -> None:
    sent, body = 0, messages(large_files(20, 160))
    tracemalloc.start()

    async for message in body:
        sent += len(message.chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sent == 20 * 10_485_760
    assert peak < 4 << 20


async def test_a_body_longer_than_it_declares_is_cut_off_at_the_limit() -> None:
    _, received = await refused(large_files(20, 170), "body_too_large", content_length="12")

    assert 210 << 20 < sum(size for _, size in received) <= 211 << 20
