"""A damaged GIF or WebP that looks whole is refused at the upload, if it is small."""

import io
import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from common import errors
from imagefile import small_pictures
from imagefile.tiff import LONG, ROWS_PER_STRIP
from images.formats.sniff import BROKEN, sniff
from tests.inference.test_golden_tiff_table import assert_right, some_samples
from tests.inference.tiff_files import BLACK_IS_ZERO, LZW, NONE, PACKBITS, RGB, Kind, a_tiff, pieces
from tests.pixels import encoded

SAMPLES = np.random.default_rng(4).normal(128, 90, (40, 60)).clip(0, 255).astype(np.uint8)
NOISE = Image.fromarray(SAMPLES)
TOO_LARGE = "The frames may not have more than 1 megapixels together."
"""Damage can make a frame reach beyond the canvas."""
FRAMES = [NOISE.rotate(90), NOISE.rotate(180)]
FILES = {
    "gif": encoded(NOISE.convert("P"), "GIF"),
    "gif animated": encoded(NOISE.convert("P"), "GIF", save_all=True, append_images=FRAMES),
    "webp": encoded(NOISE.convert("RGB"), "WEBP"),
    "webp lossless": encoded(NOISE.convert("RGBA"), "WEBP", lossless=True),
    "webp animated": encoded(NOISE.convert("RGB"), "WEBP", save_all=True, append_images=FRAMES),
}


def refusal(data: bytes) -> str:
    try:
        sniff(data, largest_pixels=1_000_000)
    except errors.InvalidArgument as error:
        return error.fields["image"][0]
    return ""


def can_be_read(data: bytes) -> bool:
    """Return whether Pillow reads all frames."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            for index in range(getattr(opened, "n_frames", 1)):
                opened.seek(index)
                opened.load()
    except Exception:  # noqa: BLE001  damaged bytes can make Pillow raise any exception
        return False
    return True


@pytest.mark.parametrize("name", FILES)
def test_what_cannot_be_decoded_is_refused(name: str) -> None:
    rng, refused = random.Random(name), 0

    for _ in range(100):
        data = bytearray(FILES[name])
        for _ in range(20):
            data[rng.randrange(len(data) // 2, len(data) - 2)] = rng.randrange(256)
        if not can_be_read(bytes(data)):
            refused += 1
            assert refusal(bytes(data)) in (BROKEN, TOO_LARGE)

    assert refused
    assert not refusal(FILES[name])


@pytest.mark.parametrize(
    ("rows", "text"), [(0, BROKEN), (2**31, BROKEN), (2**32 - 1, BROKEN), (2**31 - 1, ""), (7, ""), (8, "")]
)
def test_strips_of_impossible_rows_are_refused(rows: int, text: str) -> None:
    kind = Kind(rows=7, other_tags={ROWS_PER_STRIP: (LONG, (rows,))})

    assert refusal(a_tiff(np.zeros((19, 11, 1), np.uint8), kind)) == text


def test_a_single_strip_may_have_any_number_of_rows() -> None:
    kind = Kind(rows=19, other_tags={ROWS_PER_STRIP: (LONG, (2**32 - 1,))})

    assert not refusal(a_tiff(np.zeros((19, 11, 1), np.uint8), kind))


@pytest.mark.parametrize("bits", [1, 8, 16])
@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
def test_lengths_of_uncompressed_strips_may_be_missing_or_too_long(
    bits: int, planes: int, order: str
) -> None:
    kind = Kind(bits=bits, photometric=RGB if bits > 1 else BLACK_IS_ZERO, planes=planes, order=order)
    samples = some_samples(kind)
    count = len(list(pieces(samples, kind)))

    for lengths in ((), (5_000,) * count):
        assert_right(a_tiff(samples, replace(kind, other_tags={279: (LONG, lengths)})), samples, kind)


@pytest.mark.parametrize("compression", [NONE, LZW, PACKBITS])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("bits", [1, 8, 16])
def test_a_tiff_without_some_of_its_strips_or_tiles_is_refused(
    bits: int, planes: int, tile: tuple[int, int] | None, compression: int
) -> None:
    photometric = RGB if bits > 1 else BLACK_IS_ZERO
    kind = Kind(bits=bits, photometric=photometric, planes=planes, tile=tile, compression=compression)
    samples = some_samples(kind)
    places = (8,) * (len(list(pieces(samples, kind))) - 1)
    offsets, lengths = (324, 325) if tile else (273, 279)

    for other in ({257: (LONG, (45,))}, {offsets: (LONG, (*places, 0))}, {offsets: (LONG, places)}):
        assert refusal(a_tiff(samples, replace(kind, other_tags=other))) == BROKEN
    if compression != NONE:
        assert refusal(a_tiff(samples, replace(kind, other_tags={lengths: (LONG, ())}))) == BROKEN
    assert not refusal(a_tiff(samples, kind))


def test_a_large_picture_is_left_to_the_decoding_child() -> None:
    broken = FILES["gif"][:-900] + bytes(898) + b"\0;"

    assert not small_pictures.can_be_decoded("GIF", broken, 2400)
    assert small_pictures.can_be_decoded("GIF", broken, small_pictures.MOST_PIXELS["GIF"] + 1)
