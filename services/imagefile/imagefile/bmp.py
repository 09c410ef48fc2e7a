"""The header of a BMP file, which says how its pixels are stored and how long the file must be."""

import struct
from dataclasses import dataclass

OLD_HEADER_BYTES, HEADER_BYTES, V2_BYTES, V3_BYTES, OS2_BYTES, V4_BYTES, V5_BYTES = (
    12,
    40,
    52,
    56,
    64,
    108,
    124,
)
HEADERS = (OLD_HEADER_BYTES, 16, HEADER_BYTES, V2_BYTES, V3_BYTES, OS2_BYTES, V4_BYTES, V5_BYTES)
FILE_HEADER_BYTES = 14
PLAIN, RLE8, RLE4, BIT_FIELDS, ALPHA_BIT_FIELDS = 0, 1, 2, 3, 6
UNCOMPRESSED = (PLAIN, BIT_FIELDS, ALPHA_BIT_FIELDS)
"""Values of the field `compression`: plain pixels, and pixels with bit masks."""
BITS_OF = {
    PLAIN: (1, 4, 8, 16, 24, 32),
    RLE8: (8,),
    RLE4: (4,),
    BIT_FIELDS: (16, 32),
    ALPHA_BIT_FIELDS: (16, 32),
}
"""Bits a pixel that are read, by compression."""
OTHERS = {4: "JPEG", 5: "PNG", 11: "CMYK", 12: "CMYK", 13: "CMYK"}
OS2_OTHERS = {3: "Huffman coding", 4: "RLE of 24 bits"}
MASKS_OF_16_BITS = (0x7C00, 0x3E0, 0x1F, 0)
MOST_COLOURS = 256
EMBEDDED = b"DEBM"
"""Marks a colour profile inside the file."""


@dataclass(frozen=True, slots=True)
class Header:
    bytes: int
    offset: int
    """The position of the pixels in the file."""
    width: int
    height: int
    """Negative if the first row is the highest."""
    bits: int
    """A pixel."""
    compression: int
    colours: int
    """In the palette; 0 stands for as many as the bits allow."""
    masks: tuple[int, ...]
    """The masks of red, green, blue and alpha."""
    pixels_per_metre: tuple[int, int] = (0, 0)

    @property
    def row_bytes(self) -> int:
        """Rows are whole 32-bit words."""
        return (self.width * self.bits + 31) // 32 * 4

    @property
    def pixel_bytes(self) -> int:
        """The bytes of uncompressed pixels. Some writers omit what fills up the last row."""
        return self.row_bytes * (abs(self.height) - 1) + (self.width * self.bits + 7) // 8


def walk(data: bytes) -> None:
    """Do nothing: a BMP has one header and no list of parts."""


def read_header(data: bytes) -> Header:
    """Return the header. Raise `struct.error` if the file ends within it."""
    offset, size = struct.unpack_from("<II", data, 10)
    if size == OLD_HEADER_BYTES:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        return Header(size, _offset(offset, size, bits, 0), width, height, bits, PLAIN, 0, ())
    width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    if size < HEADER_BYTES:
        return Header(size, _offset(offset, size, bits, 0), width, height, bits, PLAIN, 0, ())
    [compression] = struct.unpack_from("<I", data, 30)
    across, down, colours = struct.unpack_from("<iiI", data, 38)
    offset, masks = _offset(offset, size, bits, colours), _masks(data, size, bits, compression)
    return Header(size, offset, width, height, bits, compression, colours, masks, (across, down))


def _masks(data: bytes, size: int, bits: int, compression: int) -> tuple[int, ...]:
    """Return the bit masks, which stand in a longer header, or behind a header of 40 bytes."""
    if compression not in (BIT_FIELDS, ALPHA_BIT_FIELDS):
        return MASKS_OF_16_BITS if bits == 16 else ()
    has_alpha = size >= V3_BYTES or compression == ALPHA_BIT_FIELDS
    masks = struct.unpack_from(f"<{3 + has_alpha}I", data, FILE_HEADER_BYTES + HEADER_BYTES)
    return masks if has_alpha else (*masks, 0)


def _offset(offset: int, size: int, bits: int, colours: int) -> int:
    """Return where the pixels begin. Some files name no place, or the place of the palette."""
    end = FILE_HEADER_BYTES + size
    if bits > 8:
        return offset or end
    entry = 3 if size == OLD_HEADER_BYTES else 4
    return end + entry * (colours or 1 << bits) if offset in (0, end) else offset


def unsupported_feature(header: Header) -> str:
    """Return the name of a feature that the decoder does not support, or an empty string."""
    if header.bytes not in HEADERS:
        return f"a BMP with a header of {header.bytes} bytes"
    names = OS2_OTHERS if header.bytes == OS2_BYTES else OTHERS
    if header.compression in names:
        return f"a BMP compressed by {names[header.compression]}"
    if header.bits not in BITS_OF.get(header.compression, ()):
        return f"a BMP of {header.bits} bits a pixel with compression {header.compression}"
    if not _are_masks_sound(header):
        return "a BMP whose bit masks overlap or have gaps"
    is_upside_down = header.compression in (RLE8, RLE4) and header.height < 0
    return "a BMP whose run lengths begin at the top" if is_upside_down else ""


def _are_masks_sound(header: Header) -> bool:
    """Return whether each mask is one run of bits within the pixel, and no bit has two meanings."""
    joined = 0
    for mask in header.masks:
        run = mask >> shift_of(mask)
        if run & (run + 1) or mask & joined or mask >> header.bits:
            return False
        joined |= mask
    return not header.masks or any(header.masks[:3])


def shift_of(mask: int) -> int:
    """Return the number of zero bits below the mask."""
    return (mask & -mask).bit_length() - 1 if mask else 0


def is_complete(data: bytes) -> bool:
    """Return whether uncompressed pixels are all there.

    Compressed pixels must only begin within the file. A palette has at most 256 colours.
    """
    header = read_header(data)
    if header.bits <= 8 and header.colours > MOST_COLOURS:
        return False
    pixel_bytes = header.pixel_bytes if header.compression in UNCOMPRESSED else 1
    return len(data) >= header.offset + pixel_bytes


def has_alpha(header: Header) -> bool:
    return len(header.masks) == 4 and header.masks[3] != 0


def profile(data: bytes) -> bytes:
    """Return the colour profile that is embedded in a file with the header of version 5, else no bytes."""
    if len(data) < FILE_HEADER_BYTES + V5_BYTES or read_header(data).bytes != V5_BYTES:
        return b""
    start, length = struct.unpack_from("<II", data, FILE_HEADER_BYTES + 112)
    found = data[FILE_HEADER_BYTES + start : FILE_HEADER_BYTES + start + length]
    return found if data[70:74] == EMBEDDED and len(found) == length else b""
