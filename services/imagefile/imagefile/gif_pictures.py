"""Cuts a GIF into its pictures, each as a file that Pillow decodes by itself (GIF89a, sections 20 to 23).

Pixels are not touched.
"""

import struct
from dataclasses import dataclass

from imagefile.gif import COLOUR_TABLE, CONTROL, PICTURE, blocks, first_block_offset

DEFAULT_MILLISECONDS = 100
"""The duration of a picture without a graphic control extension."""


@dataclass(frozen=True, slots=True)
class GifPicture:
    """One picture of the file, not decoded yet."""

    place: tuple[int, int]
    """Left and top on the canvas."""
    size: tuple[int, int]
    file: bytes
    """A GIF with only this picture."""
    disposal: int
    """The disposal method: what happens to the canvas before the next picture is drawn."""
    milliseconds: int


def read_pictures(data: bytes, most: int) -> list[GifPicture]:
    """Return at most `most` pictures. Raise `ValueError` for a picture that is cut off."""
    preamble = data[: first_block_offset(data)]
    control, pictures = b"", list[GifPicture]()
    for block in blocks(data):
        if block.is_cut_off and block.kind == PICTURE:
            raise ValueError("a picture is cut off")
        if block.kind == PICTURE:
            pictures.append(_picture(preamble, control, data[block.start : block.end]))
            control = b""
        elif data[block.start + 1 : block.start + 2] == bytes([CONTROL]):
            control = data[block.start : block.end]
        if len(pictures) == most:
            break
    return pictures


def _picture(preamble: bytes, control: bytes, block: bytes) -> GifPicture:
    left, top, width, height = struct.unpack_from("<4H", block, 1)
    has_own_table = block[9] & COLOUR_TABLE
    flags_and_table = (
        bytes([preamble[10] & ~COLOUR_TABLE]) + preamble[11:13] if has_own_table else preamble[10:]
    )
    start = preamble[:6] + struct.pack("<2H", width, height) + flags_and_table + control
    flags, hundredths = struct.unpack_from("<BH", control, 3) if len(control) >= 8 else (0, None)
    return GifPicture(
        place=(left, top),
        size=(width, height),
        file=start + block[:1] + bytes(4) + block[5:] + b";",
        disposal=flags >> 2 & 7,
        milliseconds=DEFAULT_MILLISECONDS if hundredths is None else 10 * hundredths,
    )
