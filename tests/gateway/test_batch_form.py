"""A multipart body of several files becomes the messages of one call, in their order and never held whole."""

import tracemalloc
from collections.abc import AsyncGenerator, Iterable

import pytest

from common import errors
from gateway.http.error_answers import Malformed, TooLarge
from gateway.http.multipart import CHUNK_BYTES, several_images
from loupe.images.v1 import images_pb2 as pb
from tests.gateway.gateway_rig import a_request
from tests.gateway.test_form import PICTURE, a_body, a_part, cut

Files = list[tuple[str, bytes]]
Seen = list[tuple[str, int]]
"""Which part, and how long its chunk."""
PIECE = bytes(64 << 10)


def messages(
    pieces: Iterable[bytes], content_type: str = "multipart/form-data; boundary=here", **headers: str
) -> AsyncGenerator[pb.CreateBatchRequest]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return several_images(a_request(pieces, headers=[("Content-Type", content_type), *told.items()]))


async def parsed(pieces: Iterable[bytes]) -> tuple[Files, pb.CreateBatchRequest.Options]:
    """The files, and the options behind them; the order of the messages is checked on the way."""
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


async def collect(sent: AsyncGenerator[pb.CreateBatchRequest], seen: Seen) -> None:
    async for message in sent:
        seen.append((message.WhichOneof("part") or "", len(message.chunk)))


async def refused(
    pieces: Iterable[bytes], kind: type[errors.ServiceError], **headers: str
) -> tuple[errors.ServiceError, Seen]:
    """The failure, and what came before it."""
    seen: Seen = []
    with pytest.raises(kind) as caught:
        await collect(messages(pieces, **headers), seen)
    return caught.value, seen


def large_files(count: int, pieces_each: int) -> list[bytes]:
    """A body in pieces of 64 KiB, which all are the same object."""
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
async def test_every_way_to_name_a_list_is_one_in_the_order_of_arrival(names: tuple[str, ...]) -> None:
    parts = [a_part(name, str(place).encode(), f"{place}.png") for place, name in enumerate(names)]

    files, _ = await parsed([a_body(*parts)])

    assert files == [("0.png", b"0"), ("1.png", b"1"), ("2.png", b"2")]


async def test_other_fields_are_skipped_files_too() -> None:
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


async def test_nothing_but_options_is_no_file() -> None:
    files, options = await parsed([a_body(a_part("scale_factor", b"2"))])

    assert files == []
    assert options.HasField("scale_factor")
    assert not options.HasField("name")


async def test_an_empty_name_of_a_batch_is_still_sent() -> None:
    _, options = await parsed([a_body(a_part("name", b""))])

    assert options.HasField("name")


async def test_a_text_among_the_files_is_named_by_its_position() -> None:
    body = a_body(a_part("images[]", PICTURE, "cat.png"), a_part("images[]", b"a text"))

    error, seen = await refused([body], errors.InvalidArgument)

    assert error.fields == {"images.1": ["The images.1 must be a file."]}
    assert seen == [("file", 0), ("chunk", len(PICTURE))]


async def test_twenty_files_are_enough_and_one_more_is_refused_at_once() -> None:
    parts = [a_part("images[]", b"x", f"{place}.png") for place in range(20)]
    one_more = a_part("images[]", b"", "more")[:-2]

    files, _ = await parsed([a_body(*parts)])
    error, seen = await refused([*parts, one_more, PIECE, PIECE], errors.InvalidArgument)

    assert len(files) == 20
    assert error.fields == {"images": ["The images may not have more than 20 items."]}
    assert seen == [("file", 0), ("chunk", 1)] * 20


async def test_seventy_files_at_once_are_too_many_files_not_too_many_parts() -> None:
    body = a_body(*[a_part("images[]", b"x", "x.png")] * 70)

    error, _ = await refused([body], errors.InvalidArgument)

    assert list(error.fields) == ["images"]


async def test_sixty_four_parts_are_enough_for_anybody() -> None:
    parts = [a_part(f"field{number}", b"") for number in range(64)]

    good = await parsed([a_body(*parts[1:], a_part("images[]", PICTURE, "a.png"))])
    await refused([a_body(*parts, a_part("images[]", PICTURE, "a.png"))], Malformed)

    assert good[0] == [("a.png", PICTURE)]


@pytest.mark.parametrize("field", ["name", "scale_factor", "target_width", "target_height"])
async def test_a_text_that_does_not_end_is_refused(field: str) -> None:
    await parsed([a_body(a_part(field, b"1" * 4096))])

    error, _ = await refused(cut(a_body(a_part(field, b"1" * 4097)), 100), Malformed)

    assert error.message == f"The field {field} is too long."


async def test_a_body_that_ends_between_two_files_never_becomes_a_whole_call() -> None:
    _, seen = await refused([a_part("images[]", b"x", "a.png")], Malformed)

    assert [part for part, _ in seen] == ["file"]


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/mixed; boundary=here"])
async def test_another_type_is_a_missing_field(content_type: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await anext(messages([b"x"], content_type))

    assert caught.value.fields == {"images": ["The images field is required."]}


async def test_a_body_that_says_it_is_too_long_is_not_read() -> None:
    body = a_body(a_part("images[]", PICTURE, "a.png"))

    error, seen = await refused([body], TooLarge, content_length=str((211 << 20) + 1))

    assert error.message == "The request body may not be greater than 211 MiB."
    assert seen == []


async def test_two_hundred_megabytes_go_through_with_less_than_four_held() -> None:
    sent, body = 0, messages(large_files(20, 160))
    tracemalloc.start()

    async for message in body:
        sent += len(message.chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sent == 20 * 10_485_760
    assert peak < 4 << 20


async def test_a_body_that_lies_about_its_length_is_cut_off_at_the_cap() -> None:
    _, seen = await refused(large_files(20, 170), TooLarge, content_length="12")

    assert 210 << 20 < sum(size for _, size in seen) <= 211 << 20
