"""Decodes BMP, in the decoding child: Pillow reads it, and what it would read wrong is rewritten first."""

import struct

from imagefile import bmp, bmp_runs
from imagefile.bmp import BIT_FIELDS, FILE_HEADER_BYTES, HEADER_BYTES, PLAIN, Header, read_header, shift_of
from imagefile.formats import Format
from inference.decoding import sixteen_bit, still
from inference.decoding.libvips import pyvips
from inference.decoding.modes import Unsupported
from inference.decoding.protocol import Decoded

MASKS_THAT_PILLOW_READS = (
    (16, (0xF800, 0x7E0, 0x1F, 0)),
    (16, (0x7C00, 0x3E0, 0x1F, 0)),
    (32, (0xFF0000, 0xFF00, 0xFF, 0)),
    (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
    (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
)
BLUE_GREEN_RED = (0xFF0000, 0xFF00, 0xFF, 0)
BLUE_GREEN_RED_ALPHA = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
SHORT_HEADER_BYTES = 16
"""The header of OS/2's second version, without compression. Pillow does not read it."""
NOT_GREY = b"\0\0\xff\0"
"""One more colour, red. No pixel has it."""


def read(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    header = read_header(data)
    if feature := bmp.unsupported_feature(header):
        raise Unsupported(feature)
    sixteen_bit.check_pixels(header.width, abs(header.height), most_pixels)
    opened = still.open_image(to_plain(data, header), file_format, most_pixels)
    if opened.mode == "RGBA" and not opened.getchannel("A").getextrema()[1]:
        opened = opened.convert("RGB")  # an alpha channel of zeros was never written
    if profile := bmp.profile(data):
        opened.info["icc_profile"] = profile
    return still.read_opened(opened, data, file_format)


def to_plain(data: bytes, header: Header) -> bytes:
    """Return a file with the same colours that Pillow reads right. Its pixels have no run lengths.

    Raise an error if pixels are missing.
    """
    if header.compression in (bmp.RLE8, bmp.RLE4):
        pixels = padded_rows(bmp_runs.expand(data, header), header.width)
        return _with_palette(data, header, 8, pixels)
    if len(data) < header.offset + header.pixel_bytes:
        raise OSError("the file ends before its pixels do")
    data = data.ljust(header.offset + header.row_bytes * abs(header.height), b"\0")
    if header.masks and (header.bits, header.masks) not in MASKS_THAT_PILLOW_READS:
        pixels = spread_masks(data, header)
        masks = struct.pack("<4I", *(BLUE_GREEN_RED_ALPHA if header.masks[3] else BLUE_GREEN_RED))
        return _with_header(header, 32, BIT_FIELDS, masks.ljust(bmp.V4_BYTES - HEADER_BYTES, b"\0"), pixels)
    if header.bits <= 8:
        return _with_palette(data, header, header.bits, data[header.offset :])
    if header.bytes == SHORT_HEADER_BYTES:
        return _with_header(header, header.bits, PLAIN, b"", data[header.offset :])
    return data


def spread_masks(data: bytes, header: Header) -> bytes:
    """Return pixels of blue, green, red and alpha with 8 bits each."""
    words, height = header.row_bytes * 8 // header.bits, abs(header.height)
    kind = "uint" if header.bits == 32 else "ushort"
    end = header.offset + header.row_bytes * height
    stored = pyvips.Image.new_from_memory(data[header.offset : end], words, height, 1, kind)
    red, green, blue, alpha = (_spread(stored, mask) for mask in header.masks)
    pixels = blue.bandjoin([green, red, alpha if header.masks[3] else _spread(stored, 0) + 255])
    return b"".join(sixteen_bit.strips(pixels.cast("uchar").crop(0, 0, header.width, height)))


def _spread(stored: pyvips.Image, mask: int) -> pyvips.Image:
    """Return the bits of a mask as numbers from 0 to 255."""
    most = mask >> shift_of(mask)
    if not most:
        return stored * 0
    return (((stored >> shift_of(mask)) & most) * (255 / most)).rint()


def padded_rows(pixels: bytes, width: int) -> bytes:
    """Return rows of `width` bytes, each filled up to whole 32-bit words."""
    if width % 4 == 0:
        return pixels
    rows = (pixels[start : start + width] for start in range(0, len(pixels), width))
    return b"".join(row + bytes(-width % 4) for row in rows)


def _with_palette(data: bytes, header: Header, bits: int, pixels: bytes) -> bytes:
    """Return the file with a whole palette for `bits`. For 4 bits it has one more colour, which is not grey.

    Pillow takes a short palette of greys for pixels of 8 bits, or of 1 bit, whatever the file says.
    """
    entry = 3 if header.bytes == bmp.OLD_HEADER_BYTES else 4
    start, whole = FILE_HEADER_BYTES + header.bytes, 1 << bits
    table = data[start : min(start + (header.colours or 1 << header.bits) * entry, header.offset)]
    if entry == 3:
        table = b"".join(table[at : at + 3] + b"\0" for at in range(0, len(table), 3))
    table = table[: 4 * whole].ljust(4 * whole, b"\0") + (NOT_GREY if bits == 4 else b"")
    return _with_header(header, bits, PLAIN, table, pixels, len(table) // 4)


def _with_header(
    header: Header, bits: int, compression: int, behind: bytes, pixels: bytes, colours: int = 0
) -> bytes:
    """Return a file whose header of 40 bytes is followed by `behind`, which may lengthen it to version 4."""
    size = bmp.V4_BYTES if bits == 32 and compression != PLAIN else HEADER_BYTES
    offset = FILE_HEADER_BYTES + HEADER_BYTES + len(behind)
    fields = (size, header.width, header.height, 1, bits, compression, len(pixels))
    start = b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset)
    fields = (*fields, *header.pixels_per_metre, colours, 0)
    return start + struct.pack("<IiiHHIIiiII", *fields) + behind + pixels
