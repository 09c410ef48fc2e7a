"""Whether a picture is lossy and whether it is transparent is told as the worker will find it."""

import struct

import pytest
from PIL import Image
from pixels import encoded

from images.formats.sniff import MOST_CHUNKS, sniff
from inference.decoding.child import decode, described, open_file

MANY = 50_000_000
NOISE = Image.effect_noise((24, 16), 80)
RGB = NOISE.convert("RGB")
RGBA = Image.merge("RGBA", (*RGB.split(), NOISE))
LA = Image.merge("LA", (NOISE, NOISE))

FILES = {
    "jpeg": encoded(RGB),
    "png": encoded(RGB, "PNG"),
    "png with alpha": encoded(RGBA, "PNG"),
    "png grey with alpha": encoded(LA, "PNG"),
    "png with a transparent colour": encoded(RGB, "PNG", transparency=(1, 2, 3)),
    "png palette with a transparent colour": encoded(RGB.convert("P"), "PNG", transparency=3),
    "webp": encoded(RGB, "WEBP"),
    "webp with alpha": encoded(RGBA, "WEBP"),
    "webp lossless": encoded(RGB, "WEBP", lossless=True),
    "webp lossless with alpha": encoded(RGBA, "WEBP", lossless=True),
    "webp lossless with exif": encoded(
        RGB, "WEBP", lossless=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
    ),
    "bmp": encoded(RGB, "BMP"),
    "tiff": encoded(RGB, "TIFF"),
    "tiff with alpha": encoded(RGBA, "TIFF"),
    "tiff jpeg": encoded(RGB, "TIFF", compression="jpeg"),
    "gif": encoded(RGB.convert("P"), "GIF"),
    "gif with a transparent colour": encoded(RGB.convert("P"), "GIF", transparency=3),
}


@pytest.mark.parametrize("kind", FILES)
def test_it_is_known_before_what_the_worker_finds_out(kind: str) -> None:
    data = FILES[kind]

    header = sniff(data, largest_pixels=MANY)

    found = described(decode(open_file(data, MANY), data), data)
    assert (header.is_lossy, header.has_alpha) == (not found["is_lossless"], found["has_alpha"])


def test_both_kinds_are_among_them() -> None:
    headers = [sniff(data, largest_pixels=MANY) for data in FILES.values()]

    assert {(header.is_lossy, header.has_alpha) for header in headers} == {
        (False, False), (False, True), (True, False), (True, True)
    }  # fmt: skip


def test_a_webp_in_too_many_pieces_counts_as_lossless() -> None:
    data = encoded(RGB, "WEBP")
    pieces = b"".join(struct.pack("<4sI", b"none", 0) for _ in range(MOST_CHUNKS))

    assert sniff(data, largest_pixels=MANY).is_lossy
    assert not sniff(data + pieces, largest_pixels=MANY).is_lossy
