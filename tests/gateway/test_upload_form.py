"""A multipart body becomes the messages of one call, no matter in which pieces it arrives."""

from collections.abc import AsyncGenerator, Iterable, Sequence

import pytest

from common import errors
from gateway.http.multipart import CHUNK_BYTES
from gateway.routes.uploads import read_image_form
from loupe.images.v1 import images_pb2 as pb
from tests.gateway.harness import a_request
from tests.gateway.multipart_bodies import PICTURE, a_body, a_part, cut


def messages(
    pieces: Iterable[bytes], content_type: str = "multipart/form-data; boundary=here", **headers: str
) -> AsyncGenerator[pb.UpscaleRequest]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_image_form(a_request(pieces, headers=[("Content-Type", content_type), *named.items()]))


async def parsed(pieces: Iterable[bytes]) -> tuple[str, bytes, dict[str, str]]:
    """Return file name, file and options. Checks the order of the messages too."""
    start, *chunks, options = [message async for message in messages(pieces)]
    assert start.WhichOneof("part") == "start"
    assert options.WhichOneof("part") == "options"
    assert all(0 < len(chunk.chunk) <= CHUNK_BYTES for chunk in chunks)
    texts = {field.name: value for field, value in options.options.ListFields()}
    return start.start.filename, b"".join(chunk.chunk for chunk in chunks), texts


async def refused(
    sent: AsyncGenerator[pb.UpscaleRequest], code: str
) -> tuple[errors.ServiceError, list[pb.UpscaleRequest]]:
    """Return the error with this code, and the messages before it."""
    received: list[pb.UpscaleRequest] = []

    async def receive() -> None:
        async for message in sent:
            received.append(message)  # noqa: PERF401  the messages before an error count

    with pytest.raises(errors.ServiceError) as caught:
        await receive()
    assert caught.value.reason == code
    return caught.value, received


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 1 << 20])
async def test_the_pieces_in_which_a_body_arrives_do_not_matter(size: int) -> None:
    body = a_body(
        a_part("target_width", b"300"), a_part("image", PICTURE, "cat.png"), a_part("target_height", b"200")
    )

    found = await parsed(cut(body, size))

    assert found == ("cat.png", PICTURE, {"target_width": "300", "target_height": "200"})


@pytest.mark.parametrize("is_first", [True, False])
async def test_options_may_come_before_or_after_the_file(is_first: bool) -> None:
    parts = [a_part("scale_factor", b"3"), a_part("image", PICTURE, "cat.png")]

    _, data, options = await parsed([a_body(*(parts if is_first else parts[::-1]))])

    assert (data, options) == (PICTURE, {"scale_factor": "3"})


@pytest.mark.parametrize("size", [1000, 65_536, 300_000, 1 << 20, 8 << 20])
async def test_no_message_is_larger_than_the_contract_says(size: int) -> None:
    picture = bytes(3 << 20) + b"end"

    _, data, _ = await parsed(cut(a_body(a_part("image", picture, "a.png")), size))

    assert data == picture


async def test_unknown_fields_and_files_are_skipped() -> None:
    body = a_body(
        a_part("_token", b"x" * 100_000),
        a_part("other", b"y" * 1_000_000, "other.png"),
        a_part("image", PICTURE, "cat.png"),
        a_part("images", b"z", "more.png"),
    )

    assert await parsed(cut(body, 5000)) == ("cat.png", PICTURE, {})


async def test_of_an_option_sent_twice_the_last_value_counts() -> None:
    body = a_body(
        a_part("scale_factor", b"3"), a_part("image", PICTURE, "a.png"), a_part("scale_factor", b"4")
    )

    assert (await parsed([body]))[2] == {"scale_factor": "4"}


async def test_an_empty_option_is_passed_on() -> None:
    found = [message async for message in messages([a_body(a_part("scale_factor", b""))])]

    assert found[-1].options.HasField("scale_factor")


async def test_an_option_that_is_not_utf_8_is_passed_on_with_replacements() -> None:
    body = a_body(a_part("scale_factor", b"\xff\xfe"), a_part("image", PICTURE, "a.png"))

    assert (await parsed([body]))[2] == {"scale_factor": "\ufffd\ufffd"}


async def test_an_image_without_a_file_name_is_accepted() -> None:
    assert await parsed([a_body(a_part("image", PICTURE))]) == ("", PICTURE, {})


async def test_a_file_name_of_ten_thousand_bytes_is_accepted() -> None:
    name = "ä" * 5000 + ".png"

    assert await parsed([a_body(a_part("image", PICTURE, name))]) == (name, PICTURE, {})


async def test_an_empty_file_has_no_chunks() -> None:
    assert await parsed([a_body(a_part("image", b"", ""))]) == ("", b"", {})


async def test_a_second_image_is_refused() -> None:
    body = a_body(a_part("image", PICTURE, "a.png"), a_part("image", PICTURE, "b.png"))

    error, _ = await refused(messages([body]), "validation_failed")

    assert error.fields == {"image": ["The image field must be a single file."]}


async def test_a_form_has_at_most_sixty_four_parts() -> None:
    parts = [a_part(f"field{number}", b"") for number in range(63)]

    good = await parsed([a_body(*parts, a_part("image", PICTURE, "a.png"))])
    one_more = a_body(*parts, a_part("x", b""), a_part("image", PICTURE, "a.png"))
    await refused(messages([one_more]), "malformed_body")

    assert good[1] == PICTURE


async def test_a_text_field_has_at_most_4096_bytes() -> None:
    await parsed([a_body(a_part("scale_factor", b"1" * 4096), a_part("image", PICTURE, "a"))])

    await refused(messages(cut(a_body(a_part("scale_factor", b"1" * 4097)), 100)), "malformed_body")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
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
async def test_a_body_that_is_not_valid_multipart_is_malformed(body: bytes, size: int) -> None:
    await refused(messages(cut(body, size)), "malformed_body")


async def test_a_broken_body_never_becomes_a_complete_call() -> None:
    """The options come last: without them nothing is accepted."""
    _, received = await refused(messages([a_part("image", PICTURE, "a.png")]), "malformed_body")

    assert [message.WhichOneof("part") for message in received] == ["start"]


async def test_a_body_whose_client_disconnects_is_malformed() -> None:
    request = a_request(headers=[("Content-Type", "multipart/form-data; boundary=here")])
    pieces: Sequence[dict[str, object]] = [
        {"type": "http.request", "body": a_part("image", PICTURE, "a.png"), "more_body": True},
        {"type": "http.disconnect"},
    ]
    waiting = iter(pieces)

    async def receive() -> dict[str, object]:
        return next(waiting)

    request._receive = receive

    await refused(read_image_form(request), "malformed_body")


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "image/png", "multipart/mixed; boundary=here", "text/plain"]
)
async def test_another_content_type_is_a_missing_image(content_type: str) -> None:
    error, _ = await refused(messages([b"x"], content_type), "validation_failed")

    assert error.fields == {"image": ["The image field is required."]}


@pytest.mark.parametrize("content_type", ["multipart/form-data", 'multipart/form-data; boundary=""'])
async def test_a_multipart_body_needs_a_boundary(content_type: str) -> None:
    await refused(messages([b"x"], content_type), "malformed_body")


async def test_a_body_that_declares_too_many_bytes_is_not_read() -> None:
    _, received = await refused(messages([], content_length=str((11 << 20) + 1)), "body_too_large")

    assert received == []


async def test_a_body_longer_than_it_declares_is_cut_off_at_the_limit() -> None:
    pieces = [a_part("image", b"", "a.png")[:-2], *(bytes(1 << 20) for _ in range(20))]

    _, received = await refused(messages(pieces, content_length="12"), "body_too_large")

    assert 10 << 20 <= sum(len(message.chunk) for message in received) <= 11 << 20


@pytest.mark.parametrize(
    ("boundary", "written"),
    [
        ("here", 'boundary="here"'),
        ("here", "BOUNDARY=here"),
        ("here", "charset=utf-8; boundary=here;"),
        ("here", 'boundary=here; charset="utf-8"'),
        ("===============733==", "boundary================733=="),
        ("a/b:c?d", "boundary=a/b:c?d"),
        ("a'()+_,-./:=? b", 'boundary="a\'()+_,-./:=? b"'),
    ],
)
@pytest.mark.parametrize(
    ("before", "behind"),
    [(b"", b""), (b"A preamble.\r\n", b"An epilogue.\r\n--here\r\n"), (b"\r\n", b"\r\n\r\n")],
)
async def test_a_boundary_may_be_quoted_or_not_and_texts_may_surround_the_parts(
    boundary: str, written: str, before: bytes, behind: bytes
) -> None:
    body = a_body(a_part("image", PICTURE, "cat.png")).replace(b"here", boundary.encode())

    sent = messages([before + body + behind], f"Multipart/Form-Data; {written}")

    assert [message async for message in sent][-1].WhichOneof("part") == "options"


@pytest.mark.parametrize(("length", "is_refused"), [(70, False), (200, False), (201, True), (60_000, True)])
async def test_a_boundary_has_at_most_200_characters(length: int, *, is_refused: bool) -> None:
    boundary = "b" * length
    body = a_body(a_part("image", PICTURE, "cat.png")).replace(b"here", boundary.encode())
    sent = messages(cut(body, 4096), f"multipart/form-data; boundary={boundary}")

    if is_refused:
        error, received = await refused(sent, "malformed_body")
        assert (error.message, received) == (
            "The boundary of the request body is longer than 200 characters.",
            [],
        )
    else:
        assert [message async for message in sent][-1].WhichOneof("part") == "options"
