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
        raise ParserBomb(f"{len(LONGEST_PADDING)} fill bytes in a row")
    for _ in segments(data):
        pass


def is_complete(data: bytes) -> bool:
    """Return whether segments lead to a scan, with an end-of-image marker after its start.

    The marker cannot occur among pixels. Previews within segments have their own, but the walk skips
    segments.
    """
    for segment in segments(data):
        if segment.marker == START_OF_SCAN:
            return data.rfind(END, segment.start - 2) != -1
    return False
