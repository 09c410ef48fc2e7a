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


def test_pixels_without_the_palette_that_they_need_are_refused() -> None:
    first, palette, *others = chunks_of(encoded(NOISE.quantize(16), "PNG"))

    assert size(file_of([first, palette, *others])) == SIZE
    assert refusal(file_of([first, *others])) == BROKEN
    assert refusal(file_of([first, *others[:-1], palette, others[-1]])) == BROKEN


def test_a_second_header_is_refused() -> None:
    first, *others = chunks_of(encoded(NOISE, "PNG"))

    assert refusal(file_of([first, first, *others])) == BROKEN


UNUSED: dict[str, Chunk] = {
    "a frame without a beginning": (b"fdAT", b"\0\0\0\0"),
    "a workflow of three megabytes": (b"zTXt", b"workflow\0\0" + zlib.compress(bytes(3_000_000))),
    "a long international text": (b"iTXt", b"prompt\0\1\0\0\0" + zlib.compress(bytes(3_000_000))),
    "a text without a key": (b"tEXt", b""),
    "a compressed text that does not inflate": (b"zTXt", b"A\0\0nonsense"),
    "a bomb where metadata may be": (
        b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(60_000_000))
    ),
    "a profile that does not inflate": (b"iCCP", b"icc\0\0nonsense"),
    "a profile without a name": (b"iCCP", b""),
    "a bomb of a profile": (b"iCCP", b"icc\0\0" + zlib.compress(bytes(60_000_000))),
    "a resolution that is too short": (b"pHYs", b"\0"),
    "chromaticities that are too short": (b"cHRM", b"\0"),
    "a gamma that is too short": (b"gAMA", b"\0"),
    "an intent that is missing": (b"sRGB", b""),
    "transparency that is missing": (b"tRNS", b""),
    "transparency of grey in colours": (b"tRNS", b"\0\5"),
    "transparency that is too long": (b"tRNS", bytes(300)),
    "EXIF data that is none": (b"eXIf", b"nonsense" * 9),
    "an animation that is too short": (b"acTL", b"\0"),
    "an unknown chunk": (b"loUp", b"any" * 9),
}  # fmt: skip


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("chunk", UNUSED.values(), ids=UNUSED)
def test_a_chunk_that_is_not_used_does_no_harm(chunk: Chunk, place: str) -> None:
    first, *pixels, last = chunks_of(encoded(NOISE, "PNG"))
    chunks = [first, chunk, *pixels, last] if place == "before" else [first, *pixels, chunk, last]

    assert size(file_of(chunks)) == decoded_size(file_of(chunks)) == SIZE


@pytest.mark.parametrize("kind", [b"tEXt", b"iCCP", b"eXIf", b"gAMA", b"tIME"])
def test_a_chunk_with_a_wrong_checksum_refuses_the_file_only_if_it_is_critical(kind: bytes) -> None:
    first, *others = chunks_of(encoded(NOISE, "PNG"))
    data = bytearray(file_of([first, (kind, b"some bytes"), *others]))
    data[data.index(kind) + 16] ^= 1

    assert size(bytes(data)) == decoded_size(bytes(data)) == SIZE
    for critical in (b"IHDR", b"IDAT"):
        damaged = bytearray(encoded(NOISE, "PNG"))
        damaged[damaged.index(critical) + 4 + 8] ^= 1
        assert refusal(bytes(damaged)) == BROKEN


@pytest.mark.parametrize("missing", [1, 4, 12, 16, 20])
def test_a_file_with_all_pixels_is_whole_without_its_end(missing: int) -> None:
    data = encoded(NOISE, "PNG")[:-missing]

    assert size(data) == decoded_size(data) == SIZE


def test_half_of_the_pixels_with_an_end_is_refused() -> None:
    data = encoded(NOISE, "PNG")

    assert refusal(data[: len(data) // 2] + data[-12:]) == BROKEN


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


@pytest.mark.parametrize("kind", [b"CgBI", b"LoUp"])
def test_an_unknown_critical_chunk_is_refused_by_its_name(kind: bytes) -> None:
    first, *others = chunks_of(encoded(NOISE, "PNG"))
    named = f"a PNG with an unknown critical chunk ({kind.decode()})"

    for chunks in ([(kind, bytes(4)), first, *others], [first, (kind, b""), *others]):
        assert refusal(file_of(chunks)) == f"The image is of a kind that cannot be upscaled: {named}."
