"""The segments of a JPEG file before its pixels (ITU-T T.81, annex B)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from imagefile.parser_bombs import ParserBomb

MOST_SEGMENTS = 2_000
"""A colour profile of 4 MiB takes 65 segments. Camera files add a few dozen of their own."""
LONGEST_PADDING = b"\xff" * 4096
"""Pillow skips fill bytes one at a time. No honest file has this many in a row."""
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""Any marker except those that may stand among pixels (B.1.1.5)."""
START, END = b"\xff\xd8", b"\xff\xd9"
START_OF_SCAN, START_OF_FRAME, RESTART_INTERVAL, APP1, APP2 = 0xDA, 0xC0, 0xDD, 0xE1, 0xE2
PROGRESSIVE, LOSSLESS, HIERARCHICAL, JPEG_LS = 0xC2, 0xC3, 0xDE, 0xF7
APPLICATION, PHOTOSHOP, COMMENT = range(0xE0, 0xF0), 0xED, 0xFE
NEEDED_METADATA = {
    0xE0: ((b"JFIF\0", 14),),
    APP1: ((b"Exif\0\0", 14), (b"http://ns.adobe.com/xap/1.0/\0", 30)),
    APP2: ((b"ICC_PROFILE\0", 15),),
    PHOTOSHOP: ((b"Photoshop 3.0\0", 14),),
    0xEE: ((b"Adobe", 12),),
}
"""Names of segments that describe the picture, and how long they are at least."""
DIFFERENTIAL, ARITHMETIC = (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), (0xC9, 0xCA, 0xCB)
FRAMES = (0xC0, 0xC1, PROGRESSIVE, LOSSLESS)
"""Starts of frames whose pixels follow by Huffman codes."""
WITHOUT_LENGTH = (0x01, 0xD8)
"""Markers of segments that have neither a length nor a body."""


@dataclass(frozen=True, slots=True)
class Segment:
    marker: int
    """The second byte of the marker."""
    start: int
    """Offset of the body, after the two bytes of its length."""
    end: int
    """Offset of the first byte after the body. It may lie beyond the end of a file that is cut off."""


def segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments up to the first start of scan, which is the last one.

    Bytes between segments are skipped, as by Pillow. Raise `ParserBomb` for too many segments or fill
    bytes.
    """
    position, parts = len(START), 0
    while found := MARKER.search(data, position):
        parts += 1 + data.count(b"\xff", position, found.start())
        if parts > MOST_SEGMENTS:
            break
        position, marker = found.end(), data[found.end() - 1]
        if marker in WITHOUT_LENGTH:
            yield Segment(marker, position, position)
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        yield Segment(marker, position + 2, position + length)
        if marker == START_OF_SCAN:
            return
        position += length
    if not found:
        parts += data.count(b"\xff", position)
    if parts > MOST_SEGMENTS:
        raise ParserBomb(f"more than {MOST_SEGMENTS} segments")


def walk(data: bytes) -> None:
    """Raise `ParserBomb` for a file of too many segments, or of too many fill bytes anywhere."""
    if LONGEST_PADDING in data:
        raise ParserBomb(f"{len(LONGEST_PADDING)} or more fill bytes in a row")
    for _ in segments(data):
        pass


def unsupported_feature(data: bytes) -> str:
    """Return the feature that no decoder here supports, or an empty string."""
    for segment in segments(data):
        if segment.marker == JPEG_LS:
            return "a JPEG-LS file"
        if segment.marker == HIERARCHICAL or segment.marker in DIFFERENTIAL:
            return "a hierarchical JPEG"
        if segment.marker in ARITHMETIC:
            return "a JPEG with arithmetic coding"
        if segment.marker in FRAMES and segment.end - segment.start >= 6:
            if data[segment.start + 1 : segment.start + 3] == b"\0\0":
                return "a JPEG whose height follows its pixels (DNL)"
            return _unsupported_samples(data[segment.start], data[segment.start + 5])
    return ""


def _unsupported_samples(bits: int, channels: int) -> str:
    if bits != 8 and bits <= 16:
        return f"a JPEG of {bits} bits a sample"
    return "a JPEG of two channels" if channels == 2 else ""


def is_lossy(data: bytes) -> bool:
    """Return whether the pixels were compressed with loss, as in all but lossless JPEG."""
    return all(segment.marker != LOSSLESS for segment in segments(data))
