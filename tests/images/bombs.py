"""Files that cost a parser or a decoder far more than they should. Each is 10 MB or less."""

import struct
import zlib
from collections.abc import Callable

from PIL import Image

from imagefile import jpeg, jpeg_scans
from tests.pixels import encoded

SIZE = (24, 16)
NOISE = Image.effect_noise(SIZE, 80).convert("RGB")
LARGEST_BYTES = 10 << 20
SHARED_BYTES = 9_000_000
EXTENSION = b"\x21\xfe\0"


def with_last_scan_repeated(times: int, photo: Image.Image = NOISE, *, between: bytes = b"") -> bytes:
    """Return a progressive JPEG that sends its last scan again and again."""
    data = encoded(photo, progressive=True)
    structure = jpeg_scans.read(data)
    assert structure is not None
    end = structure.last.end
    scan = data[data.rindex(b"\xff\xda", 0, end) : end]
    return data[:end] + (between + scan) * times + jpeg.END


def jpeg_without_progression(times: int) -> bytes:
    """Return a baseline JPEG of one scan for each component, whose last scan is repeated."""
    data = encoded(NOISE, subsampling=0)
    scan = data.index(b"\xff\xda")
    alone = b"".join(b"\xff\xda\0\x08\1" + bytes([number, 0]) + b"\0\x3f\0" for number in (1, 2, 3))
    return data[:scan] + alone + (b"\xff\xda\0\x08\1\3\0\0\x3f\0") * times + jpeg.END


def tiff_of(pieces: list[tuple[int, int]], tail: bytes, *more: tuple[int, int], tiled: bool = False) -> bytes:
    """Return a deflated grey TIFF of a row for each strip, or of tiles, at these places in the file."""
    count, start = len(pieces), 8
    values = struct.pack(f"<{count}I", *(size for _, size in pieces))
    offsets = struct.pack(f"<{count}I", *(offset for offset, _ in pieces))
    tags = {256: 24, 257: count, 258: 8, 259: 8, 262: 1, 277: 1}
    tags |= {322: 256, 323: 256} if tiled else {278: 1}
    tags |= dict(more)
    directory = start + len(offsets) + len(values)
    pointers = {324 if tiled else 273: start, 325 if tiled else 279: start + len(offsets)}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    entries += [struct.pack("<HHII", tag, 4, count, offset) for tag, offset in pointers.items()]
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry)[0])
    body = offsets + values + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", directory) + body + tail


def tiff_whose_strips_share_bytes(count: int = 1000, *, tiled: bool = False) -> bytes:
    return tiff_of([(30_000, SHARED_BYTES)] * count, bytes(SHARED_BYTES + 30_000), tiled=tiled)


def tiff_whose_strips_overlap() -> bytes:
    """Return strips that are not longer together than the file, but all use the same two megabytes."""
    return tiff_of([(1000 + index, 2_000_000) for index in range(4)], bytes(9_000_000))


def tiff_of_huge_tiles() -> bytes:
    """Return 24 x 1000 pixels in tiles of 65,000 x 65,000."""
    return tiff_of(
        [(30_000 + 10 * index, 10) for index in range(1000)],
        bytes(40_000),
        (322, 65_000),
        (323, 65_000),
        tiled=True,
    )


def exif_of_shared_values(entries: int = 5000, size: int = 60_000) -> bytes:
    """Return EXIF data whose entries all name the same long value."""
    directory = b"".join(struct.pack("<HHII", 1000 + tag, 7, size, 8) for tag in range(entries))
    return b"II*\0" + struct.pack("<IH", 8, entries) + directory + bytes(max(4, size + 8))


def in_riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a WebP with more chunks ahead of its picture."""
    picture = encoded(NOISE, "WEBP")[12:]
    header = b"\x08\0\0\0" + struct.pack("<I", SIZE[0] - 1)[:3] + struct.pack("<I", SIZE[1] - 1)[:3]
    length = struct.unpack_from("<I", picture, 4)[0]
    return in_riff((b"VP8X", header), *chunks, (picture[:4], picture[8 : 8 + length]))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of_tiny_chunks(size: int) -> bytes:
    """Return a PNG of noise with this many bytes in each chunk of pixels."""
    pixels = zlib.compress(bytes(8_000_000), 0)
    parts = (png_chunk(b"IDAT", pixels[start : start + size]) for start in range(0, len(pixels), size))
    header = struct.pack(">IIBBBBB", 7999, 1000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(parts) + png_chunk(b"IEND", b"")


def png_with(kind: bytes, body: bytes, *, times: int = 1) -> bytes:
    data = encoded(NOISE, "PNG")
    return data[:33] + png_chunk(kind, body) * times + data[33:]


def gif_with(*parts: bytes) -> bytes:
    """Return a GIF with more blocks behind its picture."""
    return encoded(NOISE.convert("P"), "GIF")[:-1] + b"".join(parts) + b";"


def jpeg_with_exif(exif: bytes) -> bytes:
    data = encoded(NOISE)
    body = b"Exif\0\0" + exif
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "jpeg scans": (lambda: with_last_scan_repeated(60_000), "more than 100 scans"),
    "jpeg scans, a few more than allowed": (lambda: with_last_scan_repeated(100), "more than 100 scans"),
    "jpeg scans with comments": (
        lambda: with_last_scan_repeated(10_000, between=b"\xff\xfe\0\2"),
        "more than 100 scans",
    ),
    "jpeg scans of a baseline file": (lambda: jpeg_without_progression(60_000), "more than 100 scans"),
    "jpeg segments between scans": (
        lambda: with_last_scan_repeated(1, between=b"\xff\xfe\0\2" * 3000),
        "more than 2000 segments between scans",
    ),
    "jpeg exif": (
        lambda: jpeg_with_exif(exif_of_shared_values(3000, 20_000)),
        "EXIF values that are longer together than its EXIF data",
    ),
    "tiff strips at one place": (
        tiff_whose_strips_share_bytes,
        "strips or tiles that are longer together than the file",
    ),
    "tiff tiles at one place": (
        lambda: tiff_whose_strips_share_bytes(tiled=True),
        "strips or tiles that are longer together than the file",
    ),
    "tiff strips that overlap": (
        tiff_whose_strips_overlap,
        "strips or tiles that share more than 1048576 bytes",
    ),
    "tiff tiles far larger than the picture": (tiff_of_huge_tiles, "more than 50 megapixels"),
    "webp chunks": (lambda: webp_with(*[(b"junk", b"")] * 1_000_000), "more than 20000 chunks"),
    "webp exif": (
        lambda: webp_with((b"EXIF", exif_of_shared_values())),
        "EXIF values that are longer together than its EXIF data",
    ),
    "png chunks of pixels": (lambda: png_of_tiny_chunks(64), "more than 50000 chunks of pixels"),
    "png tiny chunks of pixels": (lambda: png_of_tiny_chunks(63), "more than 10000 chunks"),
    "png exif": (
        lambda: png_with(b"eXIf", exif_of_shared_values()),
        "EXIF values that are longer together than its EXIF data",
    ),
    "png exif as a text": (
        lambda: png_with(
            b"zTXt",
            b"Raw profile type exif\0\0"
            + zlib.compress(b"\nexif\n 9\n" + exif_of_shared_values().hex().encode()),
        ),
        "EXIF values that are longer together than its EXIF data",
    ),
    "gif blocks behind an unknown byte": (
        lambda: gif_with(b"\7", EXTENSION * 1_900_000),
        "more than 20000 blocks",
    ),
    "gif unknown bytes": (lambda: gif_with(b"\7" * 1_000_000), "more than 20000 blocks"),
    "gif sub-blocks behind an unknown byte": (
        lambda: gif_with(b"\7\x21\xfe", b"\1x" * 4_000_000, b"\0"),
        "more than 400000 sub-blocks",
    ),
    "png exif chunks": (
        lambda: png_with(b"eXIf", b"II*\0\x08\0\0\0\xff\x01" + bytes(6200), times=100),
        "more than 10000 EXIF entries",
    ),
    "exif entries": (
        lambda: webp_with((b"EXIF", b"II*\0\x08\0\0\0\xff\xff" + bytes(1_000_000))),
        "more than 10000 EXIF entries",
    ),
}
"""Each bomb, and what its refusal names."""
