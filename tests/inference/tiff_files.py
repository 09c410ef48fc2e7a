"""Writes TIFFs of every kind byte by byte (TIFF 6.0, BigTIFF), so that no library's opinion is in them."""

import lzma
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from inference.picture import Pixels

NONE, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 7, 8, 32946, 32773
LZMA, ZSTD, WEBP = 34925, 50000, 50001
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 4, 5, 6, 8
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
BYTE, SHORT, LONG, DOUBLE, LONG8 = 1, 3, 4, 12, 16
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
CODES = {BYTE: "B", SHORT: "H", LONG: "I", LONG8: "Q", DOUBLE: "d"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The way in which samples are stored. The names are those of TIFF's tags."""

    bits: int = 8
    photometric: int = BLACK_IS_ZERO
    compression: int = NONE
    planes: int = 1
    predictor: int = 1
    extra: tuple[int, ...] = ()
    sample_format: int = UNSIGNED
    order: str = "<"
    is_big: bool = False
    tile: tuple[int, int] | None = None
    """Width and height."""
    rows: int = 7
    """Rows in a strip."""
    orientation: int = 1
    fill_order: int = 1
    subsampling: tuple[int, int] = (1, 1)
    """The subsampling of YCbCr, across and down."""
    colours: Pixels | None = None
    """The colour map, as three rows of 16-bit values."""
    icc: bytes = b""
    """The colour profile."""
    other_tags: dict[int, tuple[int, tuple[float, ...]]] = field(default_factory=dict)
    """Types and values by number. They replace the tags above, and no values leave a tag out."""


def a_tiff(samples: Pixels, kind: Kind, *, next_samples: tuple[Pixels, Kind] | None = None) -> bytes:
    """Return a file of `samples`: height x width x channels, each an integer or a float."""
    return some_pages([(samples, kind), *((next_samples,) if next_samples else ())])


def some_pages(pages: Sequence[tuple[Pixels, Kind]]) -> bytes:
    """Return a file of several pictures, in the byte order of the first."""
    kind = pages[0][1]
    out = bytearray(struct.pack(f"{kind.order}2sHHH", b"II" if kind.order == "<" else b"MM", 43, 8, 0))
    out += bytes(8)
    if not kind.is_big:
        out = bytearray(struct.pack(f"{kind.order}2sHI", b"II" if kind.order == "<" else b"MM", 42, 0))
    pointer = 8 if kind.is_big else 4
    for stored, how in pages:
        pointer = _write_picture(out, pointer, stored, how)
    return bytes(out)


def _write_picture(out: bytearray, pointer: int, samples: Pixels, kind: Kind) -> int:
    """Add a picture. Return the place of the pointer to the next directory."""
    offset_code = f"{kind.order}{'Q' if kind.is_big else 'I'}"
    places: list[tuple[int, int]] = []
    for piece in pieces(samples, kind):
        places.append((len(out), len(piece)))
        out += piece + bytes(len(piece) % 2)
    tags = _tags(samples, kind, places)
    room = 8 if kind.is_big else 4
    packed: list[tuple[int, int, int, bytes]] = []
    for tag, (type_, values) in sorted(tags.items()):
        content = struct.pack(f"{kind.order}{len(values)}{CODES[type_]}", *values)
        if len(content) > room:
            place, content = len(out), out.extend(content + bytes(len(content) % 2)) or b""
            content = struct.pack(offset_code, place)
        packed.append((tag, type_, len(values), content.ljust(room, b"\0")))
    struct.pack_into(offset_code, out, pointer, len(out))
    out += struct.pack(f"{kind.order}{'Q' if kind.is_big else 'H'}", len(packed))
    for tag, type_, count, content in packed:
        out += struct.pack(f"{kind.order}HH{'Q' if kind.is_big else 'I'}", tag, type_, count) + content
    out += bytes(room)
    return len(out) - room


def _tags(samples: Pixels, kind: Kind, places: list[tuple[int, int]]) -> dict[int, tuple[int, Any]]:
    height, width, channels = samples.shape
    offsets, lengths = zip(*places, strict=True)
    type_ = LONG8 if kind.is_big else LONG
    tags: dict[int, tuple[int, Any]] = {
        256: (LONG, (width,)),
        257: (LONG, (height,)),
        258: (SHORT, (kind.bits,) * channels),
        259: (SHORT, (kind.compression,)),
        262: (SHORT, (kind.photometric,)),
        277: (SHORT, (channels,)),
        284: (SHORT, (kind.planes,)),
        339: (SHORT, (kind.sample_format,) * channels),
    }
    if kind.tile:
        tags |= {322: (LONG, kind.tile[:1]), 323: (LONG, kind.tile[1:])}
        tags |= {324: (type_, offsets), 325: (type_, lengths)}
    else:
        tags |= {278: (LONG, (kind.rows,)), 273: (type_, offsets), 279: (type_, lengths)}
    optional = {274: kind.orientation, 266: kind.fill_order, 317: kind.predictor}
    tags |= {tag: (SHORT, (value,)) for tag, value in optional.items() if value != 1}
    if kind.extra:
        tags[338] = (SHORT, kind.extra)
    if kind.colours is not None:
        tags[320] = (SHORT, tuple(kind.colours.ravel().tolist()))
    if kind.icc:
        tags[34675] = (BYTE, tuple(kind.icc))
    return {tag: each for tag, each in (tags | kind.other_tags).items() if each[1]}


def pieces(samples: Pixels, kind: Kind) -> Iterator[bytes]:
    """Yield all strips or tiles, compressed."""
    height, width, channels = samples.shape
    parts = [samples]
    if kind.planes == 2:
        parts = [samples[:, :, index : index + 1] for index in range(channels)]
    across, down = kind.tile or (width, kind.rows)
    for part in parts:
        for top in range(0, height, down):
            for left in range(0, width, across):
                piece = part[top : top + down, left : left + across]
                if kind.tile:
                    missing = ((0, down - len(piece)), (0, across - piece.shape[1]), (0, 0))
                    piece = np.pad(piece, missing, "edge")
                compressed = compress(piece, kind)
                yield compressed.translate(REVERSED) if kind.fill_order == 2 else compressed


def compress(piece: Pixels, kind: Kind) -> bytes:
    if kind.compression in (JPEG, WEBP):
        return _encode(piece, kind)
    packed = stored_bytes(piece, kind)
    if kind.compression == PACKBITS:
        rows = len(piece)
        size = len(packed) // rows
        return b"".join(packbits(packed[start : start + size]) for start in range(0, len(packed), size))
    return COMPRESSIONS[kind.compression](packed)


def stored_bytes(piece: Pixels, kind: Kind) -> bytes:
    """Return the samples as bytes, before compression."""
    height, width, channels = piece.shape
    if kind.subsampling != (1, 1):
        return _data_units(piece, *kind.subsampling)
    if kind.bits % 8 or kind.bits == 24:
        wide = piece.astype(">u4").reshape(height, width * channels, 1).view(np.uint8)
        bits = np.unpackbits(wide, axis=2)[:, :, 32 - kind.bits :]
        packed = np.packbits(bits.reshape(height, -1), axis=1)
    else:
        letter = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}[kind.sample_format]
        values = piece.astype(f"{kind.order}{letter}{kind.bits // 8}")
        if kind.predictor == 2:
            whole = values.view(f"{kind.order}u{kind.bits // 8}").copy()
            whole[:, 1:] -= values.view(f"{kind.order}u{kind.bits // 8}")[:, :-1]
            values = whole
        packed = np.frombuffer(values.tobytes(), np.uint8).reshape(height, -1)
    return packed.tobytes()


def _data_units(piece: Pixels, across: int, down: int) -> bytes:
    """Return blocks of lightness, each with the colours of its first pixel (TIFF 6.0, section 21)."""
    out = b""
    for top in range(0, len(piece), down):
        for left in range(0, piece.shape[1], across):
            block = piece[top : top + down, left : left + across]
            out += block[:, :, 0].tobytes() + block[0, 0, 1:].tobytes()
    return out


def packbits(row: bytes) -> bytes:
    """Return a row in literal runs of up to 128 bytes, and in repeated runs of 3 and more."""
    out, start = b"", 0
    while start < len(row):
        run = 1
        while run < 128 and start + run < len(row) and row[start + run] == row[start]:
            run += 1
        if run > 2:
            out += bytes((257 - run, row[start]))
            start += run
            continue
        part = row[start : start + 128]
        out += bytes((len(part) - 1,)) + part
        start += len(part)
    return out


def lzw(data: bytes) -> bytes:
    """Return codes of 9 bits, of which none refers to another: a table is never longer than 250 entries."""
    codes: list[int] = []
    for start in range(0, len(data), 200):
        codes += [256, *data[start : start + 200]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def zstd(data: bytes) -> bytes:
    """Return a frame of raw blocks (RFC 8878)."""
    out, blocks = struct.pack("<IBI", 0xFD2FB528, 0xA0, len(data)), range(0, len(data), 1 << 16)
    for start in blocks:
        block = data[start : start + (1 << 16)]
        is_last = start + (1 << 16) >= len(data)
        out += struct.pack("<I", len(block) << 3 | is_last)[:3] + block
    return out


COMPRESSIONS: dict[int, Callable[[bytes], bytes]] = {
    NONE: bytes,
    LZW: lzw,
    DEFLATE: zlib.compress,
    OLD_DEFLATE: zlib.compress,
    LZMA: lzma.compress,
    ZSTD: zstd,
}


def _encode(piece: Pixels, kind: Kind) -> bytes:
    """Return a JPEG or a lossless WebP of the piece."""
    out = BytesIO()
    image = Image.fromarray(piece[:, :, 0] if piece.shape[2] == 1 else piece)
    if kind.compression == WEBP:
        image.save(out, "WEBP", lossless=True, exact=True)
    else:
        options: dict[str, Any] = {"keep_rgb": True} if kind.photometric == RGB else {}
        image.save(out, "JPEG", quality=98, subsampling=0, **options)
    return out.getvalue()
