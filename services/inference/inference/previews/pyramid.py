"""Writes a pyramid from rows as they come. At most one row of tiles of each level is in memory, beside the
tiles that are encoded.
"""

import io
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from PIL import Image

from imagefile import pyramid
from imagefile.pyramid import TILE, Level
from inference.encoding.strips import Strips
from inference.picture import Header, Pixels
from inference.previews.colours import Colours

LOSSLESS: dict[str, object] = {"lossless": True, "quality": 0, "method": 0}
"""Lossless, as fast as lossy, with five times as many bytes: about one for each pixel of a photo."""
FULL_SIZE: dict[str, object] = {"quality": 95, "method": 0}
SMALLER: dict[str, object] = {"quality": 90, "method": 0}
"""Method 0 encodes some 60 megapixels a second on a core, three times as many as method 2."""
LARGEST_LOSSLESS_PIXELS = 64_000_000
THREADS = 4


class PyramidWriter:
    def __init__(self, header: Header, colours: Colours, *, is_lossless: bool) -> None:
        """`is_lossless` makes the full size of the picture lossless, unless that takes too many bytes."""
        self._colours = colours
        is_lossless = is_lossless and header.width * header.height <= LARGEST_LOSSLESS_PIXELS
        self._full_size = LOSSLESS if is_lossless else FULL_SIZE
        self._levels = pyramid.levels(header.width, header.height)
        self._strips = [Strips(TILE) for _ in self._levels]
        self._tiles = [level.first for level in self._levels]
        """The number of the next tile of each level."""
        self._file = pyramid.File(header.width, header.height)
        self._threads = ThreadPoolExecutor(THREADS, "pyramid")  # they end with this writer, finished or not

    def write(self, samples: Pixels) -> None:
        for strip in self._strips[0].push(samples):
            self._add(0, self._colours.convert(strip))

    def finish(self) -> bytes:
        """Return the file."""
        for strip in self._strips[0].rest():
            self._add(0, self._colours.convert(strip))
        for level in range(1, len(self._levels)):
            for strip in self._strips[level].rest():
                self._add(level, Image.fromarray(strip))
        self._threads.shutdown()
        return self._file.finish()

    def _add(self, level: int, strip: Image.Image) -> None:
        """Add a row of tiles, and its half to the next level."""
        encode = partial(self._encode, SMALLER if level else self._full_size)
        for data in self._threads.map(encode, cut(strip, self._levels[level])):
            self._file.add(self._tiles[level], data)
            self._tiles[level] += 1
        if level + 1 < len(self._levels):
            for half in self._strips[level + 1].push(np.asarray(strip.reduce(2))):
                self._add(level + 1, Image.fromarray(half))

    def _encode(self, options: dict[str, object], tile: Image.Image) -> bytes:
        out = io.BytesIO()
        tile.save(out, "WEBP", icc_profile=self._colours.icc, **options)
        return out.getvalue()


def cut(strip: Image.Image, level: Level) -> list[Image.Image]:
    """Return the tiles of one row."""
    return [
        strip.crop((left, 0, min(left + TILE, level.width), strip.height))
        for left in range(0, level.columns * TILE, TILE)
    ]
