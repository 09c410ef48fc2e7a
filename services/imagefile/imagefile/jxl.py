"""A JPEG XL file: a bare codestream, or a container of boxes around it (ISO/IEC 18181-2)."""

import struct

from imagefile import isobmff, jxl_header
from imagefile.colours import HDR, HLG, PQ
from imagefile.jxl_header import Header

SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
BARE = b"\xff\x0a"
WHOLE, PART, PACKED_JPEG = b"jxlc", b"jxlp", b"jbrd"
LAST = 0x80000000
"""The flag in the number of the last part."""
HEADER_BYTES = 1 << 16
"""The longest header that is read, as far as the colour profile."""
MOST_BITS = 16


def read_header(data: bytes) -> Header:
    """Return the facts about the picture. Raise `ValueError` if the file is damaged."""
    return jxl_header.read(_codestream_start(data))


def refusal(header: Header) -> str:
    """Return why the picture cannot be decoded, or an empty string."""
    if header.transfer in (PQ, HLG):
        return HDR
    if header.is_float or header.bits > MOST_BITS:
        kind = "floating-point samples" if header.is_float else f"{header.bits} bits a sample"
        return f"The image is of a kind that cannot be upscaled: {kind}."
    if header.has_black:
        return "The image is of a kind that cannot be upscaled: JPEG XL with inks (CMYK)."
    return ""


def walk(data: bytes) -> None:
    """Raise `ParserBomb` for a file of too many boxes."""
    if not data.startswith(BARE):
        for _ in isobmff.boxes(data):
            pass


def is_complete(data: bytes) -> bool:
    """Return whether the boxes hold the whole codestream. A bare one does not say where it ends."""
    if data.startswith(BARE):
        return True
    for box in isobmff.boxes(data):
        if box.kind == WHOLE or (box.kind == PART and _number(data, box) & LAST):
            return True
    return False


def is_lossy(data: bytes) -> bool:
    """Return whether the picture was compressed with loss, or is a JPEG in other words."""
    if not data.startswith(BARE) and isobmff.find(data, PACKED_JPEG):
        return True
    return read_header(data).is_xyb


def _codestream_start(data: bytes) -> bytes:
    if data.startswith(BARE):
        return data[:HEADER_BYTES]
    start = b""
    for box in isobmff.boxes(data):
        if box.kind == WHOLE:
            return data[box.start : min(box.end, box.start + HEADER_BYTES)]
        if box.kind == PART:
            start += data[box.start + 4 : min(box.end, box.start + 4 + HEADER_BYTES)]
        if len(start) >= HEADER_BYTES:
            break
    return start


def _number(data: bytes, box: isobmff.Box) -> int:
    return struct.unpack_from(">I", data, box.start)[0] if box.end - box.start >= 4 else 0
