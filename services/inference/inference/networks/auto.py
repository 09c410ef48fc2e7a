"""Chooses the model for `auto` by the kind of picture. docs/models.md shows how much each rule gains.

Everything is measured on a sample of a quarter of a megapixel. The thresholds below were
found on the sets of `make bench-quality`. Their comments give PSNR in decibels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import isqrt

import numpy as np
import numpy.typing as npt

from inference.networks.registry import Model
from inference.picture import Animation, Picture, Pixels

AUTO, FAITHFUL, CLEAN, ENHANCE = "auto", "faithful", "clean", "enhance"
REQUIRED = (FAITHFUL, CLEAN)
"""The models that the rules below choose among, so that every worker must have them. `enhance` is optional.
"""

BLOCK = 64
MAX_BLOCKS = 64
"""The sample is at most a quarter of a megapixel, whatever the picture's size, and is measured in 6 ms."""

MIN_FRESH_JPEG_QUALITY = 93
"""A JPEG of at least this quality counts as clean. Gain of `faithful` over `clean`, mean of 10 cuts of
photos, x2 and x4: quality 95 +0.2 and +0.2 dB, 92 0.0 and 0.0, 90 -0.1 and -0.1, 75 -0.8 and -0.5.
"""
MAX_PALETTE_COLOURS = 256
"""A picture with more colours has no palette."""
FEW_COLOURS = 160
"""Up to this many colours count as few. Gain of `faithful` over `clean` for photos in a palette, not
dithered: 64 colours -0.5 and -0.5 dB, 128 -0.1 and -0.2, 256 +0.3 and +0.1.
"""
COARSE_COLOURS = 16
"""Up to this many colours are coarse. If they are dithered, or only black and white, `clean` is 0.1 to 0.8 dB
or 1.1 dB behind `enhance`. Without dithering `clean` is 0.8 to 0.9 dB ahead, and with 64 dithered colours 0.5
to 1.0 dB.
"""
MAX_GRADUAL_SHARE = 0.06
"""With a larger share of steps of a single level, a picture has no palette. In grey and toned photos, which
also have few colours, it is 0.07 to 0.75. In a photo reduced to 160 colours it is at most 0.06.
"""
MIN_SPECKLE_SHARE = 0.21
"""With a larger share of single odd pixels among these and straight edges, a picture is dithered: 0.03 to
0.28 in photos of 256 colours, 0.11 to 0.49 if they are dithered, which costs `faithful` 0.4 to 1.7 dB. One
picture in nine is judged wrongly, in both directions.
"""
QUIET_STEP, HARD_STEP = 8, 64
"""Differences between neighbours, in levels. JPEG leaves steps up to QUIET_STEP beside edges; few photos have
steps above HARD_STEP.
"""
CELL = 16
"""The side of a cell in pixels."""
MIN_DRAWN_SHARE = 0.38
"""With a larger share of steps in drawn cells, a picture is a drawing. Photos have at most 0.12. A photo cut
out on a plain colour has 0.31, and `faithful` wins there by 1 to 2 dB. Screenshots with a photo in them have
at least 0.45, others and line art 0.78, and `faithful` loses 0.1 to 1.8 dB there in spite of its fallback.
"""


@dataclass(frozen=True, slots=True)
class Choice:
    model: Model
    reason: str
    """For programs; part of the API."""
    message: str
    """For people; part of the API."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The model that `auto` chooses for one kind of picture."""

    model: str
    reason: str
    message: str


class NotServed(Exception):
    """This worker does not serve the model that the client requested, and must not take another one."""


def choose_model(requested: str, original: Picture | Animation, served: Mapping[str, Model]) -> Choice:
    """Return the requested model, or for `auto` the one that suits the picture.

    An animation is judged by its first frame. Raises `NotServed`.
    """
    if requested and requested != AUTO:
        if model := served.get(requested):
            return Choice(model, "asked_for", "The model that was asked for.")
        raise NotServed(f"the model {requested} is not served")
    rule = match_rule(original if isinstance(original, Picture) else original.frames[0])
    name = ENHANCE if rule == FLAT_COARSE and ENHANCE in served else rule.model
    if name in served:
        return Choice(served[name], rule.reason, rule.message)
    only = next(served[name] for name in REQUIRED if name in served)
    return Choice(only, "only_model", "This installation chooses no other by itself.")


PHOTO = Rule(FAITHFUL, "clean_photo", "A photo without visible wear: the model nearest to the original.")
WORN_JPEG = Rule(CLEAN, "worn_jpeg", "JPEG has left traces, which are cleaned rather than enlarged.")
WORN_WEBP = Rule(CLEAN, "worn_webp", "WebP has left traces, which are cleaned rather than enlarged.")
FLAT_COARSE = Rule(CLEAN, "coarse_colours", "Hardly any colours: edges are drawn anew where possible.")
"""The only kind of picture that `enhance` is best for by PSNR too, so `enhance` takes it if it is served."""
FLAT_COLOURS = Rule(CLEAN, "few_colours", "Few colours: steps between them are smoothed.")
DITHERED = Rule(CLEAN, "dithered", "Few colours, mixed by dithering: its speckles are smoothed.")
DRAWING = Rule(CLEAN, "hard_edges", "Hard edges on plain colours, as in screenshots, text and drawings.")


def match_rule(picture: Picture) -> Rule:
    """Return the first rule that fits the picture. JPEG and lossy WebP need no measurement."""
    if picture.jpeg_quality is not None and picture.jpeg_quality < MIN_FRESH_JPEG_QUALITY:
        return WORN_JPEG
    if picture.source_format == "WEBP" and not picture.is_lossless:
        return WORN_WEBP
    sample = Sample(picture)
    if sample.has_palette:
        if sample.colour_count <= COARSE_COLOURS and (
            sample.colour_count == 2 or sample.speckle_share > MIN_SPECKLE_SHARE
        ):
            return FLAT_COARSE
        if sample.colour_count <= FEW_COLOURS:
            return FLAT_COLOURS
        if sample.speckle_share > MIN_SPECKLE_SHARE:
            return DITHERED
    return DRAWING if sample.drawn_share > MIN_DRAWN_SHARE else PHOTO


class Sample:
    """Measures blocks that are spread over a picture. Fully transparent pixels do not count."""

    def __init__(self, picture: Picture) -> None:
        planes = [take_blocks(picture.pixels[:, :, channel]) for channel in range(picture.pixels.shape[2])]
        visible = None if picture.alpha is None else take_blocks(picture.alpha) > 0
        self._codes = encode_colours(planes)
        """A number for each colour: blocks x height x width."""
        self._steps = steps(planes)
        if visible is not None:
            self._steps *= visible[:, :, 1:] & visible[:, :, :-1]
        counted = self._codes if visible is None else self._codes[visible]
        self._pixels = counted.size
        self.colour_count = count_distinct(counted)

    @property
    def drawn_share(self) -> float:
        """The share of steps that lie in drawn cells: those with hard steps, quiet pixels, and little in
        between.
        """
        busy, hard = share_by_cell(self._steps > QUIET_STEP), share_by_cell(self._steps > HARD_STEP)
        is_drawn = (busy < 0.7) & (hard > 0.02) & (hard > (busy - hard) / 2)
        return float(busy[is_drawn].sum() / max(1e-9, busy.sum()))

    @property
    def has_palette(self) -> bool:
        """True if the picture has few colours. A sample of few pixels has few anyway, and does not count."""
        if self.colour_count > min(MAX_PALETTE_COLOURS, self._pixels / 8):
            return False
        return ratio(self._steps == 1, self._steps > 0) <= MAX_GRADUAL_SHARE

    @property
    def speckle_share(self) -> float:
        """The share of odd pixels among odd pixels and straight edges.

        An odd pixel differs from all four neighbours, most of which are alike.
        """
        codes = self._codes
        here, left, right = codes[:, 1:-1, 1:-1], codes[:, 1:-1, :-2], codes[:, 1:-1, 2:]
        above, below = codes[:, :-2, 1:-1], codes[:, 2:, 1:-1]
        alike = (left == right).astype(np.uint8) + (left == above) + (left == below)
        odd = (here != left) & (here != right) & (here != above) & (here != below) & (alike >= 2)
        same_across, same_down = codes[:, :, 1:] == codes[:, :, :-1], codes[:, 1:] == codes[:, :-1]
        horizontal = same_across[:, 1:] & same_across[:, :-1] & ~same_down[:, :, 1:]
        vertical = same_down[:, :, 1:] & same_down[:, :, :-1] & ~same_across[:, 1:]
        speckles = np.count_nonzero(odd)
        return speckles / max(1, speckles + np.count_nonzero(horizontal) + np.count_nonzero(vertical))


def take_blocks(plane: Pixels) -> Pixels:
    """Return blocks x height x width of 8 bits: all of a small picture, else blocks evenly spread over it."""
    blocks = plane[np.newaxis]
    if plane.size > MAX_BLOCKS * BLOCK * BLOCK:
        blocks = np.stack(list(spread_blocks(plane)))
    return (blocks >> 8).astype(np.uint8) if plane.dtype == np.uint16 else blocks


def spread_blocks(plane: Pixels) -> Iterator[Pixels]:
    """Yield up to MAX_BLOCKS blocks, evenly spread over the plane."""
    height, width = plane.shape
    rows = min(isqrt(MAX_BLOCKS), -(-height // BLOCK))
    columns = min(MAX_BLOCKS // rows, -(-width // BLOCK))
    rows = MAX_BLOCKS // columns
    for top in np.linspace(0, max(0, height - BLOCK), rows, dtype=int):
        for left in np.linspace(0, max(0, width - BLOCK), columns, dtype=int):
            yield plane[top : top + BLOCK, left : left + BLOCK]


def steps(planes: Sequence[Pixels]) -> Pixels:
    """Return by how many levels each pixel differs from its right neighbour, in the channel that differs
    most.
    """
    pairs = [(plane[:, :, :-1], plane[:, :, 1:]) for plane in planes]
    return reduce(np.maximum, [np.maximum(*pair) - np.minimum(*pair) for pair in pairs])


def share_by_cell(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the share of true values in each cell. Incomplete cells at the far edges of a block do not
    count.
    """
    count, height, width = mask.shape
    tall, wide = max(1, min(CELL, height)), max(1, min(CELL, width))
    whole = mask[:, : height // tall * tall, : width // wide * wide]
    return whole.reshape(count, height // tall, tall, width // wide, wide).mean(axis=(2, 4))


def encode_colours(planes: Sequence[Pixels]) -> npt.NDArray[np.uint32]:
    """Return one number for each pixel's colour."""
    codes = planes[0].astype(np.uint32)
    for plane in planes[1:]:
        codes <<= 8
        codes |= plane
    return codes


def count_distinct(values: npt.NDArray[np.uint32]) -> int:
    """Return the number of different values. Sorting takes 2 ms; np.unique would take 100."""
    ordered = np.sort(values, axis=None)
    return min(1, ordered.size) + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def ratio(mask: npt.NDArray[np.bool_], of: npt.NDArray[np.bool_]) -> float:
    """Return the number of true values in `mask`, divided by that in `of`."""
    return np.count_nonzero(mask) / max(1, np.count_nonzero(of))
