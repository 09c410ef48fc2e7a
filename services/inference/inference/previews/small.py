"""The preview: a picture of at most 512 pixels a side, made from rows as they come."""

import io

from PIL import Image

from inference.encoding.strips import Strips
from inference.picture import Header, Pixels, Size
from inference.previews.colours import Colours

LONGEST_SIDE = 512
QUALITY = 80
EFFORT = 2
"""Libwebp's default of 4 takes more than twice the CPU time, for files that are 4 % smaller."""
ROWS_AT_ONCE = 256


class SmallPicture:
    """Averages squares of pixels until the picture is two to four times as large as its preview.

    Only the last step, which is small then, is a real filter.
    """

    def __init__(self, header: Header, colours: Colours) -> None:
        self._colours = colours
        self._size = fit((header.width, header.height))
        self._factor = max(1, max(header.width, header.height) // (2 * LONGEST_SIDE))
        self._strips = Strips(self._factor * max(1, ROWS_AT_ONCE // self._factor))
        width, height = (-(-side // self._factor) for side in (header.width, header.height))
        self._image = Image.new("RGBA" if header.has_alpha else "RGB", (width, height))
        self._top = 0

    def write(self, samples: Pixels) -> None:
        for strip in self._strips.push(samples):
            self._add(strip)

    def finish(self) -> bytes:
        """Return the WebP."""
        for strip in self._strips.rest():
            self._add(strip)
        out = io.BytesIO()
        image = self._image.resize(self._size, Image.Resampling.HAMMING)  # a third of the time of LANCZOS
        image.save(out, "WEBP", quality=QUALITY, method=EFFORT, icc_profile=self._colours.icc)
        return out.getvalue()

    def _add(self, strip: Pixels) -> None:
        reduced = self._colours.convert(strip).reduce(self._factor)
        self._image.paste(reduced, (0, self._top))
        self._top += reduced.height


def fit(size: Size) -> Size:
    """Return the size of the preview. A small picture keeps its own."""
    ratio = min(1.0, LONGEST_SIDE / max(size))
    width, height = (max(1, round(side * ratio)) for side in size)
    return width, height
