"""Resamples rows to an exact size with Lanczos as they come, and treats alpha separately from the colours.

Rows are resampled across first and then down, always in this order: Pillow would choose the order by the
size, and neighbouring strips would differ. Pillow stores a pixel of three bytes in four, so it
gets one strip at a time to save memory.
"""

from collections.abc import Iterator
from math import ceil, floor

import numpy as np
from PIL import Image

from inference.picture import LARGEST_16_BIT, Picture, Pixels, Size

STRIP_PIXELS = 2_000_000
REACH = 3
"""Reach of a Lanczos3 filter, in pixels of the coarser of the two sizes."""


class Resampler:
    """Takes a picture's rows from the top and yields those of another size.

    It works in strips, which do not show in the result.
    """

    def __init__(self, source: Size, target: Size) -> None:
        self._source = source
        self._target = target
        ratio = source[1] / target[1]
        self._strip = max(1, STRIP_PIXELS // max(target[0], ceil(source[0] * ratio)))
        self._rows: Pixels | None = None
        """The rows of the source that are still needed."""
        self._first = 0
        """The number of the first of these rows."""
        self._top = 0
        """The next row of the target."""

    def push(self, rows: Pixels) -> Iterator[Pixels]:
        """Take the next rows of the source, height x width x channels. Yield the target's rows that are
        ready.
        """
        if self._source == self._target:
            yield rows
            return
        self._rows = rows if self._rows is None else np.concatenate((self._rows, rows))
        while self._top < self._target[1]:
            bottom = min(self._top + self._strip, self._target[1])
            first, last = source_rows(self._source, self._target, self._top, bottom)
            if last > self._first + len(self._rows):
                return
            part = self._rows[first - self._first : last - self._first]
            yield resample_rows(part, first, self._source, self._target, self._top, bottom)
            self._top = bottom
            if bottom < self._target[1]:
                self._drop_rows(source_rows(self._source, self._target, bottom, bottom + 1)[0])

    def _drop_rows(self, before: int) -> None:
        if self._rows is not None:
            self._rows = self._rows[before - self._first :]
            self._first = before


class PictureResampler:
    """Turns a network's rows into the rows of the exact size, with the picture's alpha channel beside the
    colours.

    Alpha is resampled from the original directly to the target. The network never sees it.
    """

    def __init__(self, picture: Picture, size: Size, scale: int) -> None:
        """`scale` is the network's scale, and `size` is the exact size of the result."""
        self._picture = picture
        self._size = size
        self._colours = Resampler((picture.width * scale, picture.height * scale), size)
        self._top = 0
        self._constant_alpha = constant_alpha(picture)

    def push(self, native: Pixels) -> Iterator[Pixels]:
        """Take the next rows at the network's scale. Yield the result's rows that are ready, alpha last.

        Rows of one channel fill all channels of the picture.
        """
        for colour in self._colours.push(native):
            yield self.join_alpha(colour)

    def join_alpha(self, colour: Pixels) -> Pixels:
        """Return the next rows of the result, of which these are the colours, with all of its channels."""
        height, width, _ = colour.shape
        channels = self._picture.pixels.shape[2]
        top, self._top = self._top, self._top + height
        if not self._picture.has_alpha:
            return colour if colour.shape[2] == channels else colour.repeat(channels, axis=2)
        joined = np.empty((height, width, channels + 1), colour.dtype)
        joined[:, :, :-1] = colour
        joined[:, :, -1:] = self._alpha(top, top + height)
        return joined

    def _alpha(self, top: int, bottom: int) -> Pixels | int:
        if self._constant_alpha is not None or self._picture.alpha is None:
            return self._constant_alpha or 0
        return resample_part(self._picture.alpha[:, :, np.newaxis], self._size, top, bottom)


def constant_alpha(picture: Picture) -> int | None:
    """Return the alpha value that all pixels have, or None if they differ. A constant needs no resampling."""
    if picture.alpha is None:
        return int(np.iinfo(picture.pixels.dtype).max)
    low, high = int(picture.alpha.min()), int(picture.alpha.max())
    return low if low == high else None


def source_rows(source: Size, target: Size, top: int, bottom: int) -> tuple[int, int]:
    """Return which rows of the source the target's rows from `top` to `bottom` need: first and end."""
    ratio = source[1] / target[1]
    reach = REACH * max(1.0, ratio)
    return max(0, floor(top * ratio - reach) - 1), min(source[1], ceil(bottom * ratio + reach) + 1)


def resample_rows(part: Pixels, first: int, source: Size, target: Size, top: int, bottom: int) -> Pixels:
    """Return the target's rows from `top` to `bottom`. `part` holds the source's rows from `first` on."""
    ratio = source[1] / target[1]
    box = (0, top * ratio - first, target[0], min(bottom * ratio - first, len(part)))
    if part.dtype == np.uint16:
        planes = np.moveaxis(part, 2, 0)
        return np.stack([lanczos(plane, target[0], bottom - top, box) for plane in planes], axis=2)
    return lanczos(part, target[0], bottom - top, box)


def lanczos(part: Pixels, width: int, height: int, box: tuple[float, float, float, float]) -> Pixels:
    """Resample all channels at once if they have 8 bits, or one plane of 16 bits as floats."""
    image = Image.fromarray(part.astype(np.float32)) if part.dtype == np.uint16 else as_image(part)
    across = image.resize((width, len(part)), Image.Resampling.LANCZOS)
    result = np.asarray(across.resize((width, height), Image.Resampling.LANCZOS, box))
    if part.dtype == np.uint16:
        return np.rint(result.clip(0, LARGEST_16_BIT)).astype(np.uint16)
    return result.reshape(height, width, part.shape[2])


def resample_part(pixels: Pixels, size: Size, top: int, bottom: int) -> Pixels:
    """Return some rows of a whole picture at another size. A constant channel stays exactly constant."""
    source = (pixels.shape[1], pixels.shape[0])
    if source == size:
        return pixels[top:bottom]
    first, last = source_rows(source, size, top, bottom)
    return resample_rows(pixels[first:last], first, source, size, top, bottom)


def as_image(pixels: Pixels) -> Image.Image:
    """Return a Pillow image of height x width x 1 to 4 samples of 8 bits."""
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels))


def fill_hidden_colours(picture: Picture) -> Pixels:
    """Return the colours, with those of fully transparent pixels replaced by their visible neighbours'.

    Otherwise the network would mix hidden colours into visible edges.
    """
    if picture.alpha is None or not picture.alpha.any() or picture.alpha.all():
        return picture.pixels
    visible = Image.fromarray(np.where(picture.alpha, np.uint8(255), np.uint8(0)))
    if picture.depth == 8:
        return np.asarray(_fill_unknown(as_image(picture.pixels), visible)).reshape(picture.pixels.shape)
    eight = as_image((picture.pixels >> 8).astype(np.uint8))
    filled = np.asarray(_fill_unknown(eight, visible), np.uint16).reshape(picture.pixels.shape)
    return np.where(picture.alpha[:, :, np.newaxis] > 0, picture.pixels, filled * np.uint16(257))


def _fill_unknown(image: Image.Image, known: Image.Image) -> Image.Image:
    """Give unknown pixels the mean of the known ones around them, found on coarser and coarser copies."""
    if known.getextrema() == (255, 255):
        return image
    weighted = image.copy()
    weighted.putalpha(known)
    coarse = weighted.reduce(2)
    coarse_known = coarse.getchannel("A").point([0] + [255] * 255)
    coarse_filled = _fill_unknown(coarse.convert(image.mode), coarse_known)
    return Image.composite(image, coarse_filled.resize(image.size, Image.Resampling.BILINEAR), known)
