"""The header of a BMP file, which says how long the file must be."""

import struct

OLD_HEADER_BYTES, HEADER_BYTES = 12, 40
UNCOMPRESSED = (0, 3)
"""Values of the field `compression`: plain pixels, and pixels with bit masks."""
MOST_COLOURS = 256


def walk(data: bytes) -> None:
    """Do nothing: a BMP has one header and no list of parts."""


def is_complete(data: bytes) -> bool:
    """Return whether uncompressed pixels are all there, in rows of whole 32-bit words.

    Compressed pixels must only begin within the file. A palette has at most 256 colours.
    """
    offset, header_size = struct.unpack_from("<II", data, 10)
    if header_size == OLD_HEADER_BYTES:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        return len(data) >= offset + _row_bytes(width, bits) * height
    if header_size < HEADER_BYTES:
        return len(data) > offset
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if bits <= 8 and struct.unpack_from("<I", data, 46)[0] > MOST_COLOURS:
        return False
    pixel_bytes = _row_bytes(width, bits) * abs(height) if compression in UNCOMPRESSED else 1
    return len(data) >= offset + pixel_bytes


def _row_bytes(width: int, bits: int) -> int:
    return (width * bits + 31) // 32 * 4
