"""Pictures that carry their number as a pattern, which survives upscaling: black and white cells.

36 cells carry 24 bits of the number and 12 bits of its checksum, so a result of another image is recognised.
"""

import zlib
from dataclasses import dataclass

from PIL import Image

from tests.pixels import encoded, opened

CELLS = 6
SIDE = 24
NUMBER_BITS, CHECK_BITS = 24, 12


@dataclass(frozen=True, slots=True)
class Reading:
    """The pattern that a result shows. `number` is None if it is no picture of ours."""

    number: int | None
    width: int
    height: int


def draw(number: int) -> bytes:
    """Return a PNG file of 24 x 24 pixels that shows the number."""
    bits = number << CHECK_BITS | _checksum(number)
    picture = Image.new("RGB", (CELLS, CELLS))
    for index in range(CELLS * CELLS):
        if bits >> index & 1:
            picture.putpixel((index % CELLS, index // CELLS), (255, 255, 255))
    return encoded(picture.resize((SIDE, SIDE), Image.Resampling.NEAREST), "PNG")


def read(data: bytes) -> Reading:
    """Read the number from a result of any size. Raise `OSError` if the file cannot be decoded."""
    picture = opened(data).convert("L")
    bits = 0
    for index in range(CELLS * CELLS):
        x = (index % CELLS * 2 + 1) * picture.width // (2 * CELLS)
        y = (index // CELLS * 2 + 1) * picture.height // (2 * CELLS)
        bits |= (picture.getpixel((x, y)) or 0) > 127 and 1 << index  # pyright: ignore[reportOperatorIssue]
    number, check = bits >> CHECK_BITS, bits & (1 << CHECK_BITS) - 1
    return Reading(number if check == _checksum(number) else None, picture.width, picture.height)


def _checksum(number: int) -> int:
    return zlib.crc32(number.to_bytes(4, "big")) & (1 << CHECK_BITS) - 1
