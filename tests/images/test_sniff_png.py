"""A PNG must have all pixels that its header promises, and no chunk at which the decoder fails."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import png
import pytest
from PIL import Image

from common import errors
from images.formats.sniff import sniff
from tests.images.decoded_size import decoded_size
from tests.pixels import encoded

SIZE = (24, 16)
NOISE = Image.effect_noise(SIZE, 80).convert("RGB")
MANY = 50_000_000
BROKEN = "The image is corrupt or incomplete."
Chunk = tuple[bytes, bytes]


def refusal(data: bytes) -> str:
    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(data, largest_pixels=MANY)
    return caught.value.fields["image"][0]


def size(data: bytes) -> tuple[int, int]:
    header = sniff(data, largest_pixels=MANY)
    return header.width, header.height


def chunks_of(data: bytes) -> list[Chunk]:
    position, found = 8, list[Chunk]()
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        found.append((kind, data[position + 8 : position + 8 + length]))
        position += 12 + length
    return found


def file_of(chunks: Sequence[Chunk]) -> bytes:
    parts = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def write_png(width: int, height: int, channels: int, depth: int, *, interlaced: bool) -> bytes:
    rows = [[(row + column) % 2 for column in range(width * channels)] for row in range(height)]
    kind: dict[str, Any] = {"greyscale": channels < 3, "alpha": channels in (2, 4), "bitdepth": depth}
    writer = png.Writer(width, height, interlace=interlaced, **kind)
    out = io.BytesIO()
    writer.write(out, rows)
    return out.getvalue()


def with_pixels(data: bytes, pixels: bytes) -> bytes:
    return file_of([(kind, pixels if kind == b"IDAT" else body) for kind, body in chunks_of(data)])


def pixels_of(data: bytes) -> bytes:
    return b"".join(body for kind, body in chunks_of(data) if kind == b"IDAT")


KINDS = [(1, 1), (1, 2), (1, 4), (1, 8), (1, 16), (2, 8), (2, 16), (3, 8), (3, 16), (4, 8), (4, 16)]


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (3, 2), (5, 1), (9, 9), (37, 21)])
@pytest.mark.parametrize(("channels", "depth"), KINDS)
def test_a_file_that_lacks_one_byte_of_pixels_is_refused(
    channels: int, depth: int, width: int, height: int, interlaced: bool
) -> None:
    data = write_png(width, height, channels, depth, interlaced=interlaced)
    inflated = zlib.decompress(pixels_of(data))

    too_short = with_pixels(data, zlib.compress(inflated[:-1]))

    assert size(data) == (width, height)
    assert refusal(too_short) == BROKEN


def test_a_header_that_promises_one_row_too_many_is_refused() -> None:
    data = encoded(NOISE, "PNG")
    header = chunks_of(data)[0][1]

    taller = struct.pack(">II", SIZE[0], SIZE[1] + 1) + header[8:]

    assert refusal(file_of([(b"IHDR", taller), *chunks_of(data)[1:]])) == BROKEN


def test_a_file_with_half_of_its_compressed_pixels_is_refused() -> None:
    data = encoded(NOISE, "PNG")
    pixels = pixels_of(data)

    assert refusal(with_pixels(data, pixels[: len(pixels) // 2])) == BROKEN


def test_pixels_that_do_not_inflate_are_refused() -> None:
    data = encoded(NOISE, "PNG")

    assert refusal(with_pixels(data, b"\x78\x9c" + b"\xff" * 900)) == BROKEN


def test_more_pixels_than_needed_do_no_harm() -> None:
    data = encoded(NOISE, "PNG")

    longer = with_pixels(data, zlib.compress(zlib.decompress(pixels_of(data)) + bytes(5000)))

    assert size(longer) == decoded_size(longer) == SIZE


def test_pixels_may_be_in_any_number_of_chunks_that_follow_each_other() -> None:
    first, pixels, last = chunks_of(encoded(NOISE, "PNG"))
    pieces = [(b"IDAT", pixels[1][start : start + 100]) for start in range(0, len(pixels[1]), 100)]
    text = (b"tEXt", b"Author\0Jane")

    assert size(file_of([first, *pieces, last])) == SIZE
    assert refusal(file_of([first, *pieces[:3], text, *pieces[3:], last])) == BROKEN


def test_a_second_header_is_refused() -> None:
    first, *others = chunks_of(encoded(NOISE, "PNG"))

    assert refusal(file_of([first, first, *others])) == BROKEN


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param((b"fdAT", b"\0\0\0\0"), id="a frame without a beginning"),
        pytest.param((b"zTXt", b"A\0\0" + zlib.compress(bytes(2_000_000))), id="a text of two megabytes"),
        pytest.param((b"pHYs", b"\0"), id="a body that is too short"),
    ],
)
def test_a_chunk_after_the_pixels_at_which_the_decoder_fails_is_refused(chunk: Chunk) -> None:
    first, *others, last = chunks_of(encoded(NOISE, "PNG"))
    data = file_of([first, (b"acTL", struct.pack(">II", 1, 0)), *others, chunk, last])

    with pytest.raises((SyntaxError, ValueError)):
        decoded_size(data)

    assert refusal(data) == BROKEN


def test_later_frames_of_an_animated_png_do_not_matter() -> None:
    out = io.BytesIO()
    NOISE.save(out, "PNG", save_all=True, append_images=[NOISE.rotate(90), NOISE.rotate(180)])
    chunks = chunks_of(out.getvalue())
    behind = next(index for index, (kind, _) in enumerate(chunks) if kind == b"IDAT") + 2

    damaged = file_of([*chunks[:behind], (b"fdAT", b"\0\0\0\x63"), *chunks[behind:]])

    assert size(out.getvalue()) == size(damaged) == SIZE
    assert decoded_size(damaged) == SIZE


def test_a_check_of_the_pixels_that_takes_too_long_is_left_to_the_decoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = encoded(NOISE, "PNG")
    too_short = with_pixels(data, pixels_of(data)[:-90])

    monkeypatch.setattr("imagefile.png.LONGEST_SECONDS", -1)

    assert size(too_short) == SIZE
