"""Which model a picture takes where its owner names none.

The photo model wins by 1 to 2 dB on clean photos and loses by as much on what is worn or drawn. Told from how
the file was compressed and from the steps between neighbouring pixels of a sample, since a photo changes
gradually even where it is sharp. `make bench-quality` measures what these rules are worth.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import isqrt

import numpy as np
import numpy.typing as npt

from inference.networks.registry import AUTO, CLEANING, ENHANCING, FAITHFUL, MODELS, Model
from inference.picture import Animation, Picture, Pixels

BLOCK = 64
MOST_BLOCKS = 64
"""A quarter of a megapixel, whatever the picture's size: 6 ms."""

FRESH_JPEG = 93
"""Photo model against clean model, mean of 10 cuts of photos, x2 and x4: q95 +0.2 and +0.2 dB, q92 0.0 and
0.0, q90 -0.1 and -0.1, q75 -0.8 and -0.5.
"""
PALETTE = 256
FEW_COLOURS = 160
"""The same for photos in a palette, not dithered: 64 colours -0.5 and -0.5 dB, 128 -0.1 and -0.2,
256 +0.3 and +0.1.
"""
COARSE = 16
"""Dithered, or black and white: the clean model against `enhance` -0.8 to -0.1 dB and -1.1 dB; not dithered
+0.8 to +0.9, and with 64 dithered colours +0.5 to +1.0.
"""
GRADUAL = 0.06
"""Share of the steps that are a single level: 0.07 to 0.75 in grey and toned photos, which have few colours
as well, and at most 0.06 in 160 colours of any photo.
"""
SPECKLED = 0.21
"""Single odd pixels among these and straight edges: 0.03 to 0.28 in photos of 256 colours, 0.11 to 0.49 where
they are dithered, which costs the photo model 0.4 to 1.7 dB. One in nine is mistaken, on either side.
"""
QUIET, HARD = 8, 64
"""In levels: steps that are none, as JPEG leaves beside edges, and steps that few photos have."""
CELL = 16
DRAWN = 0.38
"""Share of the steps that lie in drawn cells: at most 0.12 in photos, 0.31 where one is cut out on a plain
colour and the photo model wins by 1 to 2 dB; from 0.45 in screenshots with a photo in them, 0.78 in others
and in line art, where it loses 0.1 to 1.8 dB, guarded as it is.
"""


@dataclass(frozen=True, slots=True)
class Choice:
    model: Model
    reason: str
    """For machines."""
    message: str
    """For people."""


class NotServed(Exception):
    """Another model instead would not be what was asked for."""


def chosen(asked: str, original: Picture | Animation, offered: Mapping[str, Model] = MODELS) -> Choice:
    """The model of that name, or for `auto` the one that suits the picture; an animation is judged by its
    first frame.
    """
    if asked and asked != AUTO:
        if model := offered.get(asked):
            return Choice(model, "asked_for", "The model that was asked for.")
        raise NotServed(f"the model {asked} is not served")
    choice = choose(original if isinstance(original, Picture) else original.frames[0])
    if choice == FLAT_COARSE and (model := offered.get(ENHANCING[0].name)):
        return replace(choice, model=model)
    if choice.model.name in offered:
        return choice
    only = next(model for name, model in offered.items() if name in MODELS)
    return Choice(only, "only_model", "This installation chooses no other by itself.")


PHOTO = Choice(FAITHFUL, "clean_photo", "A photo without visible wear: the model nearest to the original.")
WORN_JPEG = Choice(CLEANING, "worn_jpeg", "JPEG has left traces, which are cleaned rather than enlarged.")
WORN_WEBP = Choice(CLEANING, "worn_webp", "WebP has left traces, which are cleaned rather than enlarged.")
FLAT_COARSE = Choice(CLEANING, "coarse_colours", "Hardly any colours: edges are drawn anew where possible.")
"""The one kind of pictures that `enhance` is best for by PSNR as well: it takes them where it is served."""
FLAT_COLOURS = Choice(CLEANING, "few_colours", "Few colours: steps between them are smoothed.")
DITHERED = Choice(CLEANING, "dithered", "Few colours, mixed by dithering: its speckles are smoothed.")
DRAWING = Choice(CLEANING, "hard_edges", "Hard edges on plain colours, as in screenshots, text and drawings.")


def choose(picture: Picture) -> Choice:
    if picture.jpeg_quality is not None and picture.jpeg_quality < FRESH_JPEG:
        return WORN_JPEG
    if picture.jpeg_quality is None and not picture.is_lossless:
        return WORN_WEBP
    seen = Sample(picture)
    if seen.has_palette:
        if seen.colours <= COARSE and (seen.colours == 2 or seen.speckles > SPECKLED):
            return FLAT_COARSE
        if seen.colours <= FEW_COLOURS:
            return FLAT_COLOURS
        if seen.speckles > SPECKLED:
            return DITHERED
    return DRAWING if seen.drawn_share > DRAWN else PHOTO


class Sample:
    """Blocks spread over a picture, and what their pixels tell; hidden ones tell nothing."""

    def __init__(self, picture: Picture) -> None:
        planes = [sample(picture.pixels[:, :, channel]) for channel in range(picture.pixels.shape[2])]
        visible = None if picture.alpha is None else sample(picture.alpha) > 0
        self._codes = codes(planes)
        """A number for each colour: blocks x height x width."""
        self._steps = steps(planes)
        if visible is not None:
            self._steps *= visible[:, :, 1:] & visible[:, :, :-1]
        seen = self._codes if visible is None else self._codes[visible]
        self._pixels = seen.size
        self.colours = count_distinct(seen)

    @property
    def drawn_share(self) -> float:
        """A cell is drawn where hard steps stand on quiet ground, with little between hard and quiet."""
        busy, hard = cells(self._steps > QUIET), cells(self._steps > HARD)
        is_drawn = (busy < 0.7) & (hard > 0.02) & (hard > (busy - hard) / 2)
        return float(busy[is_drawn].sum() / max(1e-9, busy.sum()))

    @property
    def has_palette(self) -> bool:
        """Few pixels have few colours anyway."""
        if self.colours > min(PALETTE, self._pixels / 8):
            return False
        return ratio(self._steps == 1, self._steps > 0) <= GRADUAL

    @property
    def speckles(self) -> float:
        """Pixels unlike all four neighbours, most of which are alike; among these and straight edges."""
        codes = self._codes
        here, left, right = codes[:, 1:-1, 1:-1], codes[:, 1:-1, :-2], codes[:, 1:-1, 2:]
        above, below = codes[:, :-2, 1:-1], codes[:, 2:, 1:-1]
        alike = (left == right).astype(np.uint8) + (left == above) + (left == below)
        odd = (here != left) & (here != right) & (here != above) & (here != below) & (alike >= 2)
        across, down = codes[:, :, 1:] == codes[:, :, :-1], codes[:, 1:] == codes[:, :-1]
        lying = across[:, 1:] & across[:, :-1] & ~down[:, :, 1:]
        standing = down[:, :, 1:] & down[:, :, :-1] & ~across[:, 1:]
        speckles = np.count_nonzero(odd)
        return speckles / max(1, speckles + np.count_nonzero(lying) + np.count_nonzero(standing))


def sample(plane: Pixels) -> Pixels:
    """Blocks x height x width of 8 bits: all of a small picture, else blocks evenly spread over it."""
    blocks = plane[np.newaxis]
    if plane.size > MOST_BLOCKS * BLOCK * BLOCK:
        blocks = np.stack(list(spread(plane)))
    return (blocks >> 8).astype(np.uint8) if plane.dtype == np.uint16 else blocks


def spread(plane: Pixels) -> Iterator[Pixels]:
    height, width = plane.shape
    rows = min(isqrt(MOST_BLOCKS), -(-height // BLOCK))
    columns = min(MOST_BLOCKS // rows, -(-width // BLOCK))
    rows = MOST_BLOCKS // columns
    for top in np.linspace(0, max(0, height - BLOCK), rows, dtype=int):
        for left in np.linspace(0, max(0, width - BLOCK), columns, dtype=int):
            yield plane[top : top + BLOCK, left : left + BLOCK]


def steps(planes: Sequence[Pixels]) -> Pixels:
    """By how many levels a pixel differs from the next to its right, in the channel where it is most."""
    pairs = [(plane[:, :, :-1], plane[:, :, 1:]) for plane in planes]
    return reduce(np.maximum, [np.maximum(*pair) - np.minimum(*pair) for pair in pairs])


def cells(those: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The share of them in each cell; what is left over at the far edges of a block does not count."""
    count, height, width = those.shape
    tall, wide = max(1, min(CELL, height)), max(1, min(CELL, width))
    whole = those[:, : height // tall * tall, : width // wide * wide]
    return whole.reshape(count, height // tall, tall, width // wide, wide).mean(axis=(2, 4))


def codes(planes: Sequence[Pixels]) -> npt.NDArray[np.uint32]:
    together = planes[0].astype(np.uint32)
    for plane in planes[1:]:
        together <<= 8
        together |= plane
    return together


def count_distinct(values: npt.NDArray[np.uint32]) -> int:
    """By sorting, which takes 2 ms where np.unique takes 100."""
    ordered = np.sort(values, axis=None)
    return min(1, ordered.size) + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def ratio(some: npt.NDArray[np.bool_], of: npt.NDArray[np.bool_]) -> float:
    return np.count_nonzero(some) / max(1, np.count_nonzero(of))
