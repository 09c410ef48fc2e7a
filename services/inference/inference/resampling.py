"""Lanczos resampling to an exact size, rows as they come, and what transparency needs around it.

Always across first, then down: left to itself Pillow picks the order by size, and neighbouring strips differ.
Pillow keeps four bytes for a pixel of three, so it sees a strip at a time.
"""

from collections.abc import Iterator
from math import ceil, floor

import numpy as np
from PIL import Image

from inference.picture import Picture, Pixels, Size

STRIP_PIXELS = 2_000_000
REACH = 3
"""Of a Lanczos3 filter, in pixels of the coarser side."""


class Resampler:
    """Takes a picture's rows from the top and gives those of another size; the strips are no part of the
    result.
    """

    def __init__(self, source: Size, target: Size) -> None:
        self._source = source
        self._target = target
        ratio = source[1] / target[1]
        self._strip = max(1, STRIP_PIXELS // max(target[0], ceil(source[0] * ratio)))
        self._held: Pixels | None = None
        self._first = 0
        """The row of the source that is held first."""
        self._top = 0

    def push(self, rows: Pixels) -> Iterator[Pixels]:
        if self._source == self._target:
            yield rows
            return
        self._held = rows if self._held is None else np.concatenate((self._held, rows))
        while self._top < self._target[1]:
            bottom = min(self._top + self._strip, self._target[1])
            first, last = needed(self._source, self._target, self._top, bottom)
            if last > self._first + len(self._held):
                return
            held = self._held[first - self._first : last - self._first]
            yield resized_rows(held, first, self._source, self._target, self._top, bottom)
            self._top = bottom
            if bottom < self._target[1]:
                self._forget(needed(self._source, self._target, bottom, bottom + 1)[0])

    def _forget(self, before: int) -> None:
        if self._held is not None:
            self._held = self._held[before - self._first :]
            self._first = before


def needed(source: Size, target: Size, top: int, bottom: int) -> tuple[int, int]:
    """The rows of the source that some rows of the target are made from."""
    ratio = source[1] / target[1]
    reach = REACH * max(1.0, ratio)
    return max(0, floor(top * ratio - reach) - 1), min(source[1], ceil(bottom * ratio + reach) + 1)


def resized_rows(held: Pixels, first: int, source: Size, target: Size, top: int, bottom: int) -> Pixels:
    """`held` are the source's rows from `first` on, all that is needed."""
    ratio = source[1] / target[1]
    box = (0, top * ratio - first, target[0], min(bottom * ratio - first, len(held)))
    if held.dtype == np.uint16:
        planes = np.moveaxis(held, 2, 0)
        return np.stack([lanczos(plane, target[0], bottom - top, box) for plane in planes], axis=2)
    return lanczos(held, target[0], bottom - top, box)


def lanczos(held: Pixels, width: int, height: int, box: tuple[float, float, float, float]) -> Pixels:
    """8 bits in all channels at once, 16 bits as one plane of floats."""
    image = Image.fromarray(held.astype(np.float32)) if held.dtype == np.uint16 else as_image(held)
    across = image.resize((width, len(held)), Image.Resampling.LANCZOS)
    result = np.asarray(across.resize((width, height), Image.Resampling.LANCZOS, box))
    if held.dtype == np.uint16:
        return np.rint(result.clip(0, 65535)).astype(np.uint16)
    return result.reshape(height, width, held.shape[2])


def resized(pixels: Pixels, size: Size, top: int, bottom: int) -> Pixels:
    """Some rows of a picture that is there whole; a constant channel stays exactly constant."""
    source = (pixels.shape[1], pixels.shape[0])
    if source == size:
        return pixels[top:bottom]
    first, last = needed(source, size, top, bottom)
    return resized_rows(pixels[first:last], first, source, size, top, bottom)


def as_image(pixels: Pixels) -> Image.Image:
    """Height x width x 1 to 4 samples of 8 bits."""
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels))


def bleed(picture: Picture) -> Pixels:
    """Under full transparency the neighbours' colours, since what is there shines into visible edges."""
    if picture.alpha is None or not picture.alpha.any() or picture.alpha.all():
        return picture.pixels
    visible = Image.fromarray(np.where(picture.alpha, np.uint8(255), np.uint8(0)))
    if picture.depth == 8:
        return np.asarray(filled_in(as_image(picture.pixels), visible)).reshape(picture.pixels.shape)
    eight = as_image((picture.pixels >> 8).astype(np.uint8))
    filled = np.asarray(filled_in(eight, visible), np.uint16).reshape(picture.pixels.shape) * np.uint16(257)
    return np.where(picture.alpha[:, :, np.newaxis] > 0, picture.pixels, filled)


def filled_in(image: Image.Image, known: Image.Image) -> Image.Image:
    """Unknown pixels take the mean of the known ones around, found on ever coarser copies."""
    if known.getextrema() == (255, 255):
        return image
    weighted = image.copy()
    weighted.putalpha(known)
    coarse = weighted.reduce(2)
    coarse_known = coarse.getchannel("A").point([0] + [255] * 255)
    coarse_filled = filled_in(coarse.convert(image.mode), coarse_known)
    return Image.composite(image, coarse_filled.resize(image.size, Image.Resampling.BILINEAR), known)
