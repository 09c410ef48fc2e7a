"""A multipart body becomes the messages of one call, however it is cut into pieces."""

from collections.abc import AsyncGenerator, Iterable, Sequence

import pytest

from common import errors
from gateway.http.error_answers import Malformed, TooLarge
from gateway.http.multipart import CHUNK_BYTES, one_image
from loupe.images.v1 import images_pb2 as pb
from tests.gateway.gateway_rig import a_request

PICTURE = bytes(range(256)) * 8 + b"\r\n--her\r\n--\r\n"


def a_part(name: str, value: bytes, filename: str | None = None) -> bytes:
    told = f'; filename="{filename}"' if filename is not None else ""
    return f'--here\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'.encode() + value + b"\r\n"


def a_body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--here--\r\n"


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def messages(
    pieces: Iterable[bytes], content_type: str = "multipart/form-data; boundary=here", **headers: str
) -> AsyncGenerator[pb.UpscaleRequest]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return one_image(a_request(pieces, headers=[("Content-Type", content_type), *told.items()]))


async def parsed(pieces: Iterable[bytes]) -> tuple[str, bytes, dict[str, str]]:
    """File name, file, options; the order of the messages is checked on the way."""
    start, *chunks, options = [message async for message in messages(pieces)]
    assert start.WhichOneof("part") == "start"
    assert options.WhichOneof("part") == "options"
    assert all(0 < len(chunk.chunk) <= CHUNK_BYTES for chunk in chunks)
    texts = {field.name: value for field, value in options.options.ListFields()}
    return start.start.filename, b"".join(chunk.chunk for chunk in chunks), texts


async def collect(sent: AsyncGenerator[pb.UpscaleRequest], seen: list[pb.UpscaleRequest]) -> None:
    """What came before a failure is in `seen`."""
    async for message in sent:
        seen.append(message)  # noqa: PERF401


async def refused(pieces: Iterable[bytes], kind: type[errors.ServiceError]) -> errors.ServiceError:
    with pytest.raises(kind) as caught:
        async for _ in messages(pieces):
            pass
    return caught.value


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 1 << 20])
async def test_the_pieces_in_which_a_body_arrives_do_not_matter(size: int) -> None:
    body = a_body(
        a_part("target_width", b"300"), a_part("image", PICTURE, "cat.png"), a_part("target_height", b"200")
    )

    found = await parsed(cut(body, size))

    assert found == ("cat.png", PICTURE, {"target_width": "300", "target_height": "200"})


@pytest.mark.parametrize("is_first", [True, False])
async def test_options_may_stand_before_or_behind_the_file(is_first: bool) -> None:
    parts = [a_part("scale_factor", b"3"), a_part("image", PICTURE, "cat.png")]

    _, data, options = await parsed([a_body(*(parts if is_first else parts[::-1]))])

    assert (data, options) == (PICTURE, {"scale_factor": "3"})


@pytest.mark.parametrize("size", [1000, 65_536, 300_000, 1 << 20, 8 << 20])
async def test_no_message_is_larger_than_the_contract_says(size: int) -> None:
    picture = bytes(3 << 20) + b"end"

    _, data, _ = await parsed(cut(a_body(a_part("image", picture, "a.png")), size))

    assert data == picture


async def test_unknown_fields_are_skipped_files_too() -> None:
    body = a_body(
        a_part("_token", b"x" * 100_000),
        a_part("other", b"y" * 1_000_000, "other.png"),
        a_part("image", PICTURE, "cat.png"),
        a_part("images", b"z", "more.png"),
    )

    assert await parsed(cut(body, 5000)) == ("cat.png", PICTURE, {})


async def test_an_option_sent_twice_counts_as_sent_last() -> None:
    body = a_body(
        a_part("scale_factor", b"3"), a_part("image", PICTURE, "a.png"), a_part("scale_factor", b"4")
    )

    assert (await parsed([body]))[2] == {"scale_factor": "4"}


async def test_an_empty_option_is_still_sent() -> None:
    found = [message async for message in messages([a_body(a_part("scale_factor", b""))])]

    assert found[-1].options.HasField("scale_factor")


async def test_an_option_that_is_no_text_harms_nobody() -> None:
    body = a_body(a_part("scale_factor", b"\xff\xfe"), a_part("image", PICTURE, "a.png"))

    assert (await parsed([body]))[2] == {"scale_factor": "\ufffd\ufffd"}


async def test_an_image_without_a_name_is_an_image() -> None:
    assert await parsed([a_body(a_part("image", PICTURE))]) == ("", PICTURE, {})


async def test_a_name_of_ten_thousand_letters_is_a_name() -> None:
    name = "ä" * 5000 + ".png"

    assert await parsed([a_body(a_part("image", PICTURE, name))]) == (name, PICTURE, {})


async def test_an_empty_file_has_no_chunks() -> None:
    assert await parsed([a_body(a_part("image", b"", ""))]) == ("", b"", {})


async def test_a_second_image_is_refused() -> None:
    error = await refused(
        [a_body(a_part("image", PICTURE, "a.png"), a_part("image", PICTURE, "b.png"))],
        errors.InvalidArgument,
    )

    assert error.fields == {"image": ["The image field must be a single file."]}


async def test_sixty_four_parts_are_enough_for_anybody() -> None:
    parts = [a_part(f"field{number}", b"") for number in range(63)]

    good = await parsed([a_body(*parts, a_part("image", PICTURE, "a.png"))])
    await refused([a_body(*parts, a_part("x", b""), a_part("image", PICTURE, "a.png"))], Malformed)

    assert good[1] == PICTURE


async def test_a_text_that_does_not_end_is_refused() -> None:
    await parsed([a_body(a_part("scale_factor", b"1" * 4096), a_part("image", PICTURE, "a"))])

    error = await refused(cut(a_body(a_part("scale_factor", b"1" * 4097)), 100), Malformed)

    assert error.reason == "malformed_body"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"no multipart at all", id="no boundary"),
        pytest.param(a_part("image", PICTURE, "a.png"), id="no closing boundary"),
        pytest.param(a_part("image", PICTURE, "a.png")[:-2] + b"\r\n--her", id="ends in a boundary"),
        pytest.param(b"--here\r\n\r\nx\r\n--here--\r\n", id="no headers"),
        pytest.param(b"--here\r\nnonsense\r\n\r\nx\r\n--here--\r\n", id="no header"),
        pytest.param(
            b'--here\r\nContent-Disposition: form-data; name="image"\r\n' + b"X: " + b"y" * 20_000,
            id="an endless header",
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
async def test_a_body_that_cannot_be_read_is_malformed(body: bytes, size: int) -> None:
    assert (await refused(cut(body, size), Malformed)).reason == "malformed_body"


async def test_a_broken_body_never_becomes_a_whole_call() -> None:
    """The options come last and stand for the end: without them nothing is accepted."""
    seen: list[pb.UpscaleRequest] = []

    with pytest.raises(Malformed):
        await collect(messages([a_part("image", PICTURE, "a.png")]), seen)

    assert [message.WhichOneof("part") for message in seen] == ["start"]


async def test_a_client_that_hangs_up_is_malformed() -> None:
    request = a_request(headers=[("Content-Type", "multipart/form-data; boundary=here")])
    pieces: Sequence[dict[str, object]] = [
        {"type": "http.request", "body": a_part("image", PICTURE, "a.png"), "more_body": True},
        {"type": "http.disconnect"},
    ]
    given = iter(pieces)

    async def receive() -> dict[str, object]:
        return next(given)

    request._receive = receive

    with pytest.raises(Malformed):
        async for _ in one_image(request):
            pass


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "image/png", "multipart/mixed; boundary=here", "text/plain"]
)
async def test_another_type_is_a_missing_image(content_type: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await anext(messages([b"x"], content_type))

    assert caught.value.fields == {"image": ["The image field is required."]}


@pytest.mark.parametrize("content_type", ["multipart/form-data", 'multipart/form-data; boundary=""'])
async def test_a_multipart_body_needs_a_boundary(content_type: str) -> None:
    with pytest.raises(Malformed):
        await anext(messages([b"x"], content_type))


async def test_a_body_that_says_it_is_too_long_is_not_read() -> None:
    with pytest.raises(TooLarge):
        await anext(messages([], content_length=str((11 << 20) + 1)))


async def test_a_body_that_lies_about_its_length_is_cut_off_at_the_cap() -> None:
    pieces = [a_part("image", b"", "a.png")[:-2], *(bytes(1 << 20) for _ in range(20))]
    seen: list[pb.UpscaleRequest] = []

    with pytest.raises(TooLarge):
        await collect(messages(pieces, content_length="12"), seen)

    assert 10 << 20 <= sum(len(message.chunk) for message in seen) <= 11 << 20
