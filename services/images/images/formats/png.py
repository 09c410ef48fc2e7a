"""Whether a PNG is all there (ISO/IEC 15948): chunks, frames, and as many bytes as its pixels take.

Pixels are inflated to be counted, and nothing of them is kept or looked at.
"""

import io
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from itertools import dropwhile, takewhile

from PIL import Image

Chunk = tuple[bytes, memoryview]
"""Its name, and all of it from the length to the checksum."""
HEADER, PIXELS, END = b"IHDR", b"IDAT", b"IEND"
FRAME, FRAME_PIXELS = b"fcTL", b"fdAT"
METADATA = (HEADER, b"eXIf", b"iTXt", b"tEXt", b"zTXt")
NO_PIXELS = b"\0\0\0\0IDAT\x35\xaf\x06\x1e"
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""In a pixel, by colour type."""
ONE_PASS = ((0, 0, 1, 1),)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row of each pass, and the steps from one to the next."""
DEFLATED = b"\x08"
PIECE_BYTES = 4096
"""Inflated at once: 4 MiB at most come of it."""
LONGEST_SECONDS = 1.0
"""Of processor time for the count; honest files of 10 MB or 50 megapixels take up to half of it."""


def chunks(data: bytes) -> Iterator[Chunk]:
    """Chunks up to IEND, or the first that is cut off or whose CRC-32 is wrong (5.3)."""
    position, view = 8, memoryview(data)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            return
        yield kind, view[position : end + 4]
        if kind == END:
            return
        position = end + 4


def is_complete(data: bytes) -> bool:
    """An IEND, every chunk before it undamaged and of a kind that can stand there, and all pixels."""
    found = list(chunks(data))
    kinds = [kind for kind, _ in found]
    if PIXELS not in kinds or kinds[-1] != END or kinds.count(HEADER) != 1:
        return False
    return _is_sound_around_pixels(found, data[:8]) and _has_all_pixels(found)


def exif(data: bytes) -> Image.Exif:
    """Metadata may stand behind the pixels, which Pillow would decode to get there: it is given the rest."""
    with _without_pixels((chunk for chunk in chunks(data) if chunk[0] in METADATA), data[:8]) as image:
        return Image.Image.getexif(image)


def _without_pixels(found: Iterable[Chunk], signature: bytes) -> Image.Image:
    kept = b"".join(chunk for _, chunk in found)
    return Image.open(io.BytesIO(signature + kept + NO_PIXELS), formats=["PNG"])


def _is_sound_around_pixels(found: list[Chunk], signature: bytes) -> bool:
    """Whether no chunk stops the decoder: of those behind the pixels Pillow reads all up to the next frame,
    and raises whatever they lead it to.
    """
    before = list(takewhile(lambda chunk: chunk[0] != PIXELS, found))
    behind = [chunk for chunk in found[len(before) :] if chunk[0] not in (PIXELS, END)]
    is_animated = any(kind == b"acTL" for kind, _ in before)
    if is_animated:
        behind = list(takewhile(lambda chunk: chunk[0] != FRAME, behind))
    try:
        _without_pixels(before + behind, signature).close()
    except Exception:  # noqa: BLE001
        return False
    return True


def _has_all_pixels(found: list[Chunk]) -> bool:
    """Only chunks that follow each other count (5.6)."""
    header = next(chunk for kind, chunk in found if kind == HEADER)
    together = takewhile(lambda chunk: chunk[0] == PIXELS, dropwhile(lambda chunk: chunk[0] != PIXELS, found))
    return _inflates_to((chunk[8:-4] for _, chunk in together), _bytes_needed(header[8:-4]))


def _bytes_needed(header: memoryview) -> int:
    """Of rows that each begin with the number of their filter (7.2, 8)."""
    width, height, depth, colour_type, _, _, is_interlaced = struct.unpack_from(">IIBBBBB", header)
    bits, needed = depth * SAMPLES[colour_type], 0
    for left, top, across, down in ADAM7 if is_interlaced else ONE_PASS:
        columns, rows = max(0, width - left + across - 1) // across, max(0, height - top + down - 1) // down
        needed += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return needed


def _inflates_to(parts: Iterable[memoryview], needed: int) -> bool:
    """What is behind those bytes does no harm. Whose count takes too long is left to the decoder to judge."""
    inflate, count, started = zlib.decompressobj(), 0, time.thread_time()
    try:
        for part in parts:
            for start in range(0, len(part), PIECE_BYTES):
                count += len(inflate.decompress(part[start : start + PIECE_BYTES]))
                if count >= needed or time.thread_time() - started > LONGEST_SECONDS:
                    return True
    except zlib.error:
        pass
    return False
