"""The chunks of a PNG file (ISO/IEC 15948), and whether they contain as many pixels as the header says.

Pixels are inflated only to be counted. They are not stored.
"""

import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import dropwhile, takewhile

from imagefile import exif, png_metadata
from imagefile.parser_bombs import ParserBomb

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER, PALETTE, PIXELS, FRAME_PIXELS, END = b"IHDR", b"PLTE", b"IDAT", b"fdAT", b"IEND"
TRANSPARENCY = b"tRNS"
CRITICAL = (HEADER, PALETTE, PIXELS, END)
BY_PALETTE = 3
"""The colour type of a picture whose colours are in a palette, which must come before the pixels."""
MOST_CHUNKS = 10_000
"""Chunks of pixels do not count, unless they are shorter than `SHORT_PIXELS`."""
SHORT_PIXELS = 64
MOST_PIXEL_CHUNKS = 50_000
"""Encoders write from a few chunks to one for each row."""
SAMPLES_PER_PIXEL = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type."""
WITH_ALPHA = (4, 6)
MOST_COLOURS = 256
ONE_PASS = ((0, 0, 1, 1),)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row of each pass, then the steps to the next column and row."""
PIECE_BYTES = 4096
"""Compressed bytes inflated at once. They become 4 MiB at most."""
LONGEST_SECONDS = 1.0
"""Processor time for counting pixels. Honest files of 10 MB or 50 megapixels take up to half of it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    kind: bytes
    whole: memoryview
    """The chunk with its length, its kind and its checksum."""

    @property
    def body(self) -> memoryview:
        return self.whole[8:-4]

    @property
    def is_ancillary(self) -> bool:
        """True if the picture can be shown without the chunk (5.4)."""
        return bool(self.kind[0] & 0x20)

    @property
    def is_intact(self) -> bool:
        """True if the CRC-32 matches kind and body (5.3)."""
        return zlib.crc32(self.whole[4:-4]) == struct.unpack(">I", self.whole[-4:])[0]


def chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks up to IEND or to a chunk that is cut off. Raise `ParserBomb` for too many of them."""
    position, counted, view = len(SIGNATURE), 0, memoryview(data)
    pixel_chunks = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        counted += kind not in (PIXELS, FRAME_PIXELS) or length < SHORT_PIXELS
        if counted > MOST_CHUNKS:
            raise ParserBomb(f"more than {MOST_CHUNKS} chunks")
        pixel_chunks += kind == PIXELS
        if pixel_chunks > MOST_PIXEL_CHUNKS:
            raise ParserBomb(f"more than {MOST_PIXEL_CHUNKS} chunks of pixels")
        end = position + 12 + length
        if end > len(data):
            return
        yield Chunk(kind, view[position:end])
        if kind == END:
            return
        position = end


def walk(data: bytes) -> None:
    """Raise `ParserBomb` for a file of too many chunks, or for EXIF data with too much in it."""
    budget, entries = png_metadata.Budget(), exif.count_entries()
    for chunk in chunks(data):
        if chunk.kind in png_metadata.METADATA:
            exif.walk(png_metadata.exif_of(chunk.kind, bytes(chunk.body), budget), entries)


def sound_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks up to a damaged critical one, without the other damaged ones (5.4).

    A chunk of pixels that is cut off is yielded as far as it reaches.
    """
    position = len(SIGNATURE)
    for chunk in chunks(data):
        position += len(chunk.whole)
        if chunk.is_intact:
            yield chunk
        elif not chunk.is_ancillary:
            return
        if chunk.kind == END:
            return
    if data[position + 4 : position + 8] == PIXELS:
        yield Chunk(PIXELS, memoryview(chunk_of(PIXELS, data[position + 8 :])))


def chunk_of(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def unsupported_feature(data: bytes) -> str:
    """Return an unknown chunk ahead of the pixels without which the picture cannot be shown (5.4), or an
    empty string.
    """
    for chunk in takewhile(lambda chunk: chunk.kind != PIXELS, chunks(data)):
        if not chunk.is_ancillary and chunk.kind not in CRITICAL and chunk.kind.isalpha():
            return f"a PNG with an unknown critical chunk ({chunk.kind.decode()})"
    return ""


def for_decoder(data: bytes) -> bytes:
    """Return the still picture with what describes it, and without what decoders may stumble over.

    These are texts, unknown and damaged chunks, bombs, and later frames. IEND is added if it is missing.
    """
    found, budget = list(sound_chunks(data)), png_metadata.Budget()
    first = next((index for index, chunk in enumerate(found) if chunk.kind == PIXELS), len(found))
    behind = list(dropwhile(lambda chunk: chunk.kind == PIXELS, found[first:]))
    pixels = found[first : len(found) - len(behind)]
    before = describing(found[0].body if found else b"", found[:first], budget)
    after = [each for each in behind if png_metadata.is_metadata(each.kind, each.body, budget)]
    parts = (bytes(chunk.whole) for chunk in (*pixels, *after))
    return b"".join([SIGNATURE, *before, *parts, chunk_of(END, b"")])


def describing(
    header: bytes | memoryview, found: Iterable[Chunk], budget: png_metadata.Budget
) -> Iterator[bytes]:
    """Yield the chunks ahead of the pixels that a decoder needs and can read. `header` is the body of IHDR.

    Raise `IndexError` if the header is cut off.
    """
    for chunk in found:
        if chunk.kind == TRANSPARENCY:
            body = transparency(header, bytes(chunk.body))
            if body:
                yield chunk_of(TRANSPARENCY, body)
        elif png_metadata.describes(chunk.kind, chunk.body, budget):
            yield bytes(chunk.whole)


def transparency(header: bytes | memoryview, body: bytes) -> bytes:
    """Return the body of tRNS with only the bits that samples have, as decoders compare them (11.3.1.1).

    Return no bytes if its length does not suit the type of colour. Then viewers ignore the chunk.
    """
    depth, colour_type = header[8], header[9]
    if colour_type == BY_PALETTE:
        return body[:MOST_COLOURS]
    count = SAMPLES_PER_PIXEL.get(colour_type, 0)
    if colour_type in WITH_ALPHA or not body or len(body) != 2 * count:
        return b""
    samples = struct.unpack(f">{count}H", body)
    return struct.pack(f">{count}H", *(sample & (1 << depth) - 1 for sample in samples))


def bit_depth(data: bytes) -> int:
    """Return the bits of a sample. Raise `IndexError` if the file ends before it says so."""
    return data[24]


def is_complete(data: bytes) -> bool:
    """Return whether undamaged critical chunks contain one header, all pixels, and the palette that they
    need. IEND may be missing.
    """
    found = list(sound_chunks(data))
    kinds = [chunk.kind for chunk in found]
    if PIXELS not in kinds or kinds[0] != HEADER or kinds.count(HEADER) != 1:
        return False
    if found[0].body[9] == BY_PALETTE and PALETTE not in kinds[: kinds.index(PIXELS)]:
        return False
    return _has_all_pixels(found)


def _has_all_pixels(found: list[Chunk]) -> bool:
    """Return whether the first row of chunks of pixels contains all pixels. Later ones do not count (5.6)."""
    header = next(chunk for chunk in found if chunk.kind == HEADER)
    pixels = takewhile(
        lambda chunk: chunk.kind == PIXELS, dropwhile(lambda chunk: chunk.kind != PIXELS, found)
    )
    needed = bytes_needed(header.body)
    return inflates_to((chunk.body for chunk in pixels), needed, time.thread_time() + LONGEST_SECONDS)


def bytes_needed(header: bytes | memoryview) -> int:
    """Return the bytes of all rows, each of which begins with the number of its filter (7.2, 8)."""
    width, height, depth, colour_type, _, _, is_interlaced = struct.unpack_from(">IIBBBBB", header)
    bits, needed = depth * SAMPLES_PER_PIXEL[colour_type], 0
    for left, top, across, down in ADAM7 if is_interlaced else ONE_PASS:
        columns, rows = max(0, width - left + across - 1) // across, max(0, height - top + down - 1) // down
        needed += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return needed


def inflates_to(parts: Iterable[memoryview], needed: int, until: float) -> bool:
    """Return whether the parts inflate to `needed` bytes or more.

    Also return True if this thread has used `until` seconds of processor time. Then the decoder notices if
    pixels are missing.
    """
    inflate, count = zlib.decompressobj(), 0
    try:
        for part in parts:
            for start in range(0, len(part), PIECE_BYTES):
                count += len(inflate.decompress(part[start : start + PIECE_BYTES]))
                if count >= needed or time.thread_time() > until:
                    return True
    except zlib.error:
        pass
    return False
