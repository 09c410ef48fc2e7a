"""The pictures of a GIF as a viewer shows them (GIF89a, sections 20 to 23), in the decoding child.

Pillow decodes each picture, and this module composes them. Pillow would fill the canvas with a colour where
nothing was drawn, and would apply the last disposal method to later pictures that have none.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from imagefile.gif import COLOUR_TABLE, CONTROL, PICTURE, blocks, first_block_offset

CLEAR, RESTORE = 2, 3
"""The disposal methods: make the picture's area transparent, or restore what was there before."""
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


def compose(pictures: list[GifPicture], size: tuple[int, int]) -> Iterator[Image.Image]:
    """Yield the canvas in RGBA after each picture is drawn. It is transparent at first.

    Pixels that lie outside the canvas are cut off.
    """
    canvas = Image.new("RGBA", size)
    for picture in pictures:
        before = canvas.copy() if picture.disposal == RESTORE else canvas
        if min(picture.size) > 0:
            image = decode(picture).convert("RGBA")
            canvas.paste(image, picture.place, image)
        yield canvas.copy()
        canvas = before
        if picture.disposal == CLEAR:
            canvas.paste(Image.new("RGBA", picture.size), picture.place)


def draw_on_canvas(opened: Image.Image, data: bytes) -> Image.Image:
    """Return the first picture of the file; in RGBA if it does not cover its canvas."""
    picture = read_pictures(data, 1)[0]
    if picture.place == (0, 0) and picture.size == opened.size:
        return decode(picture)
    return next(compose([picture], opened.size))


def decode(picture: GifPicture) -> Image.Image:
    """Decode a picture with its own colours.

    Its file has no global colour table if the picture has a local one. With both, Pillow would take a local
    table of greys for indices into the global one.
    """
    opened = Image.open(io.BytesIO(picture.file), formats=["GIF"])
    opened.load()
    return opened


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
