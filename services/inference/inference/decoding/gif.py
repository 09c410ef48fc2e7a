"""The pictures of a GIF as a viewer shows them (GIF89a, sections 20 to 23), in the decoding child.

Pillow decodes each picture, and this module composes them. Pillow would fill the canvas with a colour where
nothing was drawn, and would apply the last disposal method to later pictures that have none.
"""

import io
from collections.abc import Iterator

from PIL import Image

from imagefile.gif_pictures import GifPicture, read_pictures

CLEAR, RESTORE = 2, 3
"""The disposal methods: make the picture's area transparent, or restore what was there before."""


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
