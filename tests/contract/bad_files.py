"""Malicious and damaged files."""

import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from tests.heif_files import a_grid, heic
from tests.images.bombs import EXTENSION, gif_with, tiff_whose_strips_share_bytes, with_last_scan_repeated
from tests.jxl_files import contained, jxl
from tests.pixels import encoded

PHOTO = Image.effect_noise((24, 16), 80).convert("RGB")
JPEG, PNG, WEBP, BMP, TIFF = (encoded(PHOTO, name) for name in ("JPEG", "PNG", "WEBP", "BMP", "TIFF"))
GIF = encoded(PHOTO.convert("P"), "GIF")
HEIC, AVIF = heic("rgba"), encoded(PHOTO, "AVIF")
JXL = contained(jxl(np.asarray(PHOTO)))
GIGABYTE = 1 << 30


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def deflated_zeros(count: int, block: int = 1 << 24) -> bytes:
    """Compress that many zeros to a thousandth. One full block is repeated, as it needs no history."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = compressor.compress(bytes(block)) + compressor.flush(zlib.Z_FULL_FLUSH)
    checksum = (count % 65521) << 16 | 1
    return b"\x78\x9c" + one * (count // block) + b"\x03\x00" + struct.pack(">I", checksum)


def png_of(width: int, height: int, pixels: bytes = b"", *more: bytes) -> bytes:
    """Return a PNG with 8 bits RGB. `pixels` must be deflated already."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = pixels or zlib.compress(bytes(1000))
    return PNG[:8] + header + b"".join(more) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def png_with(kind: bytes, body: bytes) -> bytes:
    """Return a valid PNG with another chunk before its pixels."""
    return PNG[:33] + chunk(kind, body) + PNG[33:]


def a_huge_png() -> bytes:
    """Return 13,000 x 13,000 white pixels in half a megabyte. All pixels are present."""
    compressor = zlib.compressobj(1)
    row = b"\0" + b"\xff" * 39_000
    pixels = b"".join(compressor.compress(row) for _ in range(13_000)) + compressor.flush()
    return png_of(13_000, 13_000, pixels)


def jpeg_of(width: int, height: int) -> bytes:
    start = JPEG.index(b"\xff\xc0")
    return JPEG[: start + 5] + struct.pack(">HH", height, width) + JPEG[start + 9 :]


def gif_of(width: int, height: int) -> bytes:
    return GIF[:6] + struct.pack("<HH", width, height) + GIF[10:]


def bmp_of(width: int, height: int) -> bytes:
    return BMP[:18] + struct.pack("<ii", width, height) + BMP[26:]


def tiff_with(tag: int, value: int) -> bytes:
    """Return a TIFF with another value in one tag of its directory."""
    data = bytearray(TIFF)
    start = struct.unpack_from("<I", data, 4)[0]
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        if struct.unpack_from("<H", data, entry)[0] == tag:
            struct.pack_into("<I", data, entry + 8, value)
    return bytes(data)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_on_a_canvas(width: int, height: int) -> bytes:
    """Return a picture of 24 x 16 pixels whose header claims another size."""
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff((b"VP8X", bytes(4) + canvas), (WEBP[12:16], WEBP[20:]))


def gif_of_frames(count: int) -> bytes:
    one = encoded(Image.new("P", (1, 1)), "GIF")
    start = one.index(b"\x2c")
    return one[:start] + one[start:-1] * count + b";"


def webp_of_frames(count: int) -> bytes:
    pixel = encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    frame = bytes(12) + (100).to_bytes(3, "little") + b"\0" + pixel
    return riff((b"VP8X", b"\2\0\0\0" + bytes(6)), (b"ANIM", bytes(6)), *[(b"ANMF", frame)] * count)


def looping_exif() -> bytes:
    """Return a directory that is its own Exif, GPS, interoperability and next directory."""
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, 8) for tag in (0x8769, 0x8825, 0xA005))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 3) + entries + struct.pack("<I", 8)


def jpeg_with(marker: int, body: bytes) -> bytes:
    return JPEG[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + JPEG[2:]


def tiff_that_follows_itself() -> bytes:
    """Return a TIFF whose directory is its own successor."""
    data = bytearray(TIFF)
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    return bytes(data)


def truncated_files() -> Iterator[tuple[str, bytes]]:
    """Yield each file, truncated at each boundary between its parts."""
    for name, data in (
        ("jpeg", JPEG),
        ("png", PNG),
        ("webp", WEBP),
        ("bmp", BMP),
        ("tiff", TIFF),
        ("gif", GIF),
        ("heic", HEIC),
        ("avif", AVIF),
        ("jxl", JXL),
    ):
        for cut in CUTS[name](data):
            yield f"{name} of {cut} of {len(data)} bytes", data[:cut]


def jpeg_cuts(data: bytes) -> list[int]:
    """Return the offsets between segments."""
    cuts = [2]
    while data[cuts[-1] + 1] != 0xDA:
        cuts.append(cuts[-1] + 2 + int.from_bytes(data[cuts[-1] + 2 : cuts[-1] + 4], "big"))
    return [*cuts, cuts[-1] + 2 + int.from_bytes(data[cuts[-1] + 2 : cuts[-1] + 4], "big")]


def png_cuts(data: bytes) -> list[int]:
    cuts = [8]
    while cuts[-1] < len(data) - 12:
        cuts.append(cuts[-1] + 12 + int.from_bytes(data[cuts[-1] : cuts[-1] + 4], "big"))
    return cuts[:-1]  # the last chunk may be missing


CUTS: dict[str, Callable[[bytes], list[int]]] = {
    "jpeg": jpeg_cuts,
    "png": png_cuts,
    "webp": lambda _: [12, 20, 30],
    "bmp": lambda _: [14, 54, 54 + 72, 54 + 15 * 72],
    "tiff": lambda data: [4, 8, struct.unpack_from("<I", data, 4)[0], len(data) - 4],
    "heic": lambda data: [8, 28, data.index(b"iloc"), data.index(b"mdat") + 4, len(data) - 4],
    "avif": lambda data: [8, 32, data.index(b"iloc"), data.index(b"mdat") + 4, len(data) - 4],
    "jxl": lambda data: [12, 32, 40, 44, 60, len(data) - 1],
    "gif": lambda data: [6, 13, 13 + (6 << (data[10] & 7)), 13 + (6 << (data[10] & 7)) + 10],
}

HARMFUL = {
    "a png of 169 megapixels in half a megabyte": a_huge_png(),
    "a png without width": png_of(0, 9),
    "a png without height": png_of(9, 0),
    "a png of the longest sides": png_of(2**31 - 1, 2**31 - 1),
    "a png beyond the longest sides": png_of(2**32 - 1, 2**32 - 1),
    "a jpeg of the longest sides": jpeg_of(65_535, 65_535),
    "a jpeg without width": jpeg_of(0, 16),
    "a jpeg without height": jpeg_of(24, 0),
    "a gif of the longest sides": gif_of(65_535, 65_535),
    "a bmp of the longest sides": bmp_of(2**31 - 1, 2**31 - 1),
    "a bmp without height": bmp_of(24, 0),
    "a bmp of negative width": bmp_of(-24, 16),
    "a tiff of the longest sides": tiff_with(256, 2**32 - 1),
    "a tiff without width": tiff_with(256, 0),
    "a webp that claims a larger size": webp_on_a_canvas(16_384, 16_384),
    "a gif of 10,000 frames": gif_of_frames(10_000),
    "a webp of 10,000 frames": webp_of_frames(10_000),
    "a heic of the longest sides": a_grid(1, 1, (65_535, 65_535), claimed=(65_535, 65_535)),
    "a heic whose tile claims a larger size": a_grid(1, 1, (64, 64), claimed=(2**31, 2**31)),
    "a jpeg of 60,000 scans": with_last_scan_repeated(60_000),
    "a tiff whose strips are one": tiff_whose_strips_share_bytes(),
    "a gif of many blocks behind an unknown byte": gif_with(b"\7", EXTENSION * 1_900_000),
    "a document that is a jpeg further on": b"%PDF-1.7\n" + JPEG,
    "a page that is a gif further on": b"<html>" + GIF,
    "an archive": b"PK\3\4" + bytes(26) + JPEG,
    "a drawing": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
}
"""Each must be refused."""

ODD = {
    "a text of a gigabyte": png_with(b"zTXt", b"Comment\0\0" + deflated_zeros(GIGABYTE)),
    "an international text of a gigabyte": png_with(b"iTXt", b"Comment\0\1\0\0\0" + deflated_zeros(GIGABYTE)),
    "a profile of a gigabyte": png_with(b"iCCP", b"icc\0\0" + deflated_zeros(GIGABYTE)),
    "a jpeg without an end marker": JPEG[:-2],
    "a png without its last chunk": PNG[:-12],
    "a jpeg whose metadata leads back to itself": jpeg_with(0xE1, b"Exif\0\0" + looping_exif()),
    "a png whose metadata leads back to itself": png_with(b"eXIf", looping_exif()),
    "a tiff that follows itself": tiff_that_follows_itself(),
    "a jpeg with a broken profile": encoded(PHOTO, "JPEG", icc_profile=b"nonsense" * 99),
    "a png with a broken profile": encoded(PHOTO, "PNG", icc_profile=b"nonsense" * 99),
    "a png that is an archive, too": PNG + b"PK\3\4" + bytes(26) + b"PK\5\6" + bytes(18),
    "a jpeg that is a script, too": jpeg_with(0xFE, b"*/=alert(1)/*") + b"<script>alert(1)</script>",
}
"""Unusual files. Each must be upscaled like a normal file."""
