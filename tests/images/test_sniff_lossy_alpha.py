"""Upload and decoder agree on whether a file is lossy and whether it has alpha."""

import struct

import pytest
from PIL import Image

from imagefile.webp import MOST_CHUNKS
from images.formats.sniff import sniff
from inference.decoding.decoders import decode
from tests.pixels import encoded

MANY = 50_000_000
NOISE = Image.effect_noise((24, 16), 80)
RGB = NOISE.convert("RGB")
RGBA = Image.merge("RGBA", (*RGB.split(), NOISE))
LA = Image.merge("LA", (NOISE, NOISE))


def as_animation(still: bytes) -> bytes:
    """Return a WebP that has this still picture as its only frame (RFC 9649, 2.7.1)."""
    size = b"".join((side - 1).to_bytes(3, "little") for side in NOISE.size)
    frame = bytes(6) + size + (100).to_bytes(3, "little") + b"\0" + still[12:]
    chunks = ((b"VP8X", b"\x02\0\0\0" + size), (b"ANIM", bytes(6)), (b"ANMF", frame))
    body = b"WEBP" + b"".join(struct.pack("<4sI", kind, len(data)) + data for kind, data in chunks)
    return struct.pack("<4sI", b"RIFF", len(body)) + body


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
    "webp of one frame": as_animation(encoded(RGB, "WEBP")),
    "webp of one lossless frame": as_animation(encoded(RGB, "WEBP", lossless=True)),
    "bmp": encoded(RGB, "BMP"),
    "tiff": encoded(RGB, "TIFF"),
    "tiff with alpha": encoded(RGBA, "TIFF"),
    "tiff jpeg": encoded(RGB, "TIFF", compression="jpeg"),
    "tiff jpeg, grey": encoded(NOISE, "TIFF", compression="jpeg"),
    "tiff jpeg, cmyk": encoded(RGB.convert("CMYK"), "TIFF", compression="jpeg"),
    "gif": encoded(RGB.convert("P"), "GIF"),
    "gif with a transparent colour": encoded(RGB.convert("P"), "GIF", transparency=3),
}


LOSSY = (
    "jpeg",
    "webp",
    "webp with alpha",
    "webp of one frame",
    "tiff jpeg",
    "tiff jpeg, grey",
    "tiff jpeg, cmyk",
)


@pytest.mark.parametrize("kind", FILES)
def test_upload_and_decoder_agree(kind: str) -> None:
    data = FILES[kind]

    header = sniff(data, largest_pixels=MANY)

    found = decode(data, MANY).header
    assert (header.is_lossy, header.has_alpha) == (not found["is_lossless"], found["has_alpha"])
    assert header.is_lossy == (kind in LOSSY)


def test_the_files_cover_all_combinations() -> None:
    headers = [sniff(data, largest_pixels=MANY) for data in FILES.values()]

    assert {(header.is_lossy, header.has_alpha) for header in headers} == {
        (False, False), (False, True), (True, False), (True, True)
    }  # fmt: skip


def test_a_webp_of_too_many_chunks_counts_as_lossless() -> None:
    data = encoded(RGB, "WEBP")
    pieces = b"".join(struct.pack("<4sI", b"none", 0) for _ in range(MOST_CHUNKS))

    assert sniff(data, largest_pixels=MANY).is_lossy
    assert not sniff(data + pieces, largest_pixels=MANY).is_lossy
