"""The header of a JPEG XL codestream (ISO/IEC 18181-1): size, orientation, depth, channels and colours.

It is a row of bits without bytes between its fields. Pixels are not touched, and all lists are bounded.
"""

from dataclasses import dataclass

MOST_CHANNELS = 256
"""Channels beside the colours, as in libjxl."""
RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
"""Width by height, if the header names only the height."""
SIDE = ((1, 9), (1, 13), (1, 18), (1, 30))
PREVIEW_SIDE, PREVIEW_EIGHTHS = ((1, 6), (65, 8), (321, 10), (1345, 12)), ((16, 0), (32, 0), (1, 5), (33, 9))
ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
COORDINATE = ((0, 19), (524_288, 19), (1_048_576, 20), (2_097_152, 21))
ALPHA, SPOT, BLACK, FILTER = 0, 2, 4, 5
"""Kinds of channels beside the colours."""
GREY, XYB = 1, 2
CUSTOM = 2
SRGB_TRANSFER = 13

Choices = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]
"""A number to which as many bits are added, for each of four selectors."""


@dataclass(slots=True)
class Header:
    width: int
    """Width and height are those after the orientation is applied."""
    height: int
    is_sideways: bool = False
    """Whether it is stored turned by a quarter."""
    bits: int = 8
    """Bits of a sample."""
    is_float: bool = False
    is_grey: bool = False
    has_alpha: bool = False
    has_black: bool = False
    """Whether the colours are inks."""
    is_animated: bool = False
    has_profile: bool = False
    """Whether an ICC profile follows the header."""
    transfer: int = SRGB_TRANSFER
    """Transfer characteristics (ITU-T H.273)."""
    is_xyb: bool = True
    """Whether the pixels were compressed with loss. Only a packed JPEG is lossy without it."""


class Bits:
    """Reads bits from the lowest of each byte on. Raise `ValueError` behind the last one."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def take(self, count: int) -> int:
        start, self._position = self._position, self._position + count
        if self._position > 8 * len(self._data):
            raise ValueError("the header is cut off")
        piece = self._data[start >> 3 : (self._position + 7) >> 3]
        return int.from_bytes(piece, "little") >> (start & 7) & (1 << count) - 1

    def flag(self) -> bool:
        return bool(self.take(1))

    def choose(self, choices: Choices) -> int:
        start, bits = choices[self.take(2)]
        return start + self.take(bits)


def read(codestream: bytes) -> Header:
    """Read the header of a codestream. Raise `ValueError` if it is cut off or damaged."""
    if codestream[:2] != b"\xff\x0a":
        raise ValueError("the codestream has no signature")
    bits = Bits(codestream[2:])
    header = Header(*_read_size(bits))
    if bits.flag():  # everything else is as usual
        return header
    if bits.flag():
        _read_extra_fields(bits, header)
    header.bits, header.is_float = _read_depth(bits)
    bits.take(1)
    channels = bits.choose(((0, 0), (1, 0), (2, 4), (1, 12)))
    if channels > MOST_CHANNELS:
        raise ValueError(f"{channels} channels beside the colours")
    for _ in range(channels):
        _read_channel(bits, header)
    header.is_xyb = bits.flag()
    _read_colours(bits, header)
    return header


def _read_size(bits: Bits) -> tuple[int, int]:
    is_small = bits.flag()
    height = 8 * (bits.take(5) + 1) if is_small else bits.choose(SIDE)
    if ratio := RATIOS.get(bits.take(3)):
        return height * ratio[0] // ratio[1], height
    return (8 * (bits.take(5) + 1) if is_small else bits.choose(SIDE)), height


def _read_extra_fields(bits: Bits, header: Header) -> None:
    orientation = 1 + bits.take(3)
    if orientation > 4:
        header.width, header.height, header.is_sideways = header.height, header.width, True
    if bits.flag():
        _read_size(bits)  # the size at which it should be shown
    if bits.flag():
        sides = PREVIEW_EIGHTHS if bits.flag() else PREVIEW_SIDE
        bits.choose(sides)
        if not bits.take(3):
            bits.choose(sides)
    header.is_animated = bits.flag()
    if header.is_animated:
        bits.choose(((100, 0), (1000, 0), (1, 10), (1, 30)))
        bits.choose(((1, 0), (1001, 0), (1, 8), (1, 10)))
        bits.choose(((0, 0), (0, 3), (0, 16), (0, 32)))
        bits.take(1)


def _read_depth(bits: Bits) -> tuple[int, bool]:
    if not bits.flag():
        return bits.choose(((8, 0), (10, 0), (12, 0), (1, 6))), False
    found = bits.choose(((32, 0), (16, 0), (24, 0), (1, 6)))
    bits.take(4)
    return found, True


def _read_channel(bits: Bits, header: Header) -> None:
    if bits.flag():
        header.has_alpha = True
        return
    kind = bits.choose(ENUM)
    _read_depth(bits)
    bits.choose(((0, 0), (3, 0), (4, 0), (1, 3)))
    bits.take(8 * bits.choose(((0, 0), (0, 4), (16, 5), (48, 10))))
    if kind == ALPHA:
        header.has_alpha = True
        bits.take(1)
    elif kind == SPOT:
        bits.take(64)
    elif kind == FILTER:
        bits.choose(((1, 0), (0, 2), (3, 4), (19, 8)))
    header.has_black |= kind == BLACK


def _read_colours(bits: Bits, header: Header) -> None:
    if bits.flag():
        return
    header.has_profile = bits.flag()
    space = bits.choose(ENUM)
    header.is_grey = space == GREY
    if header.has_profile or space == XYB:
        return
    if bits.choose(ENUM) == CUSTOM:
        _skip_points(bits, 1)
    if not header.is_grey and bits.choose(ENUM) == CUSTOM:
        _skip_points(bits, 3)
    if bits.flag():
        header.transfer = 0  # a power function
        bits.take(24)
    else:
        header.transfer = bits.choose(ENUM)


def _skip_points(bits: Bits, count: int) -> None:
    for _ in range(2 * count):
        bits.choose(COORDINATE)
