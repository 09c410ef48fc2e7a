"""Chooses the model for `auto` by the kind of picture. docs/models.md shows how much each rule gains.

The thresholds below were found on the sets of `make bench-quality`. Their comments give PSNR in decibels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from imagefile.jpeg_quality import is_worn
from inference.networks.pixel_art import is_pixel_art
from inference.networks.registry import AUTO, Model
from inference.networks.sample import Sample
from inference.picture import Animation, Picture
from inference.plain import is_invisible, one_colour
from inference.resampling import constant_alpha

FAITHFUL, CLEAN, ART, ENHANCE, PIXEL = "faithful", "clean", "art", "enhance", "pixel"
REQUIRED = (FAITHFUL, CLEAN)
"""The models that the rules below choose among, so that every worker must have them. The others are optional.
"""

FEW_COLOURS = 160
"""Up to this many colours count as few. Gain of `faithful` over `clean` for photos in a palette, not
dithered: 64 colours -0.5 and -0.5 dB, 128 -0.1 and -0.2, 256 +0.3 and +0.1.
"""
COARSE_COLOURS = 16
"""Up to this many colours are coarse. If they are dithered, or only black and white, `clean` is 0.1 to 0.8 dB
or 1.1 dB behind `enhance`. Without dithering `clean` is 0.8 to 0.9 dB ahead, and with 64 dithered colours 0.5
to 1.0 dB.
"""
MIN_SPECKLE_SHARE = 0.21
"""With a larger share of single odd pixels among these and straight edges, a picture is dithered: 0.03 to
0.28 in photos of 256 colours, 0.11 to 0.49 if they are dithered, which costs `faithful` 0.4 to 1.7 dB. One
picture in nine is judged wrongly, in both directions.
"""
MIN_DRAWN_SHARE = 0.38
"""With a larger share of steps in drawn cells, a picture is a drawing. Photos have at most 0.12. A photo cut
out on a plain colour has 0.31, and `faithful` wins there by 1 to 2 dB. Screenshots with a photo in them have
at least 0.45, others and line art 0.78, and `faithful` loses 0.1 to 1.8 dB there in spite of its fallback.
"""
MAX_STRAIGHT_SHARE = 0.47
"""With a smaller share of edges that run exactly across or down, a picture with hard edges is a drawing, and
no screenshot. `python -m tests.bench.kinds` shows what is judged wrongly.
"""
MIN_PLAIN_SHARE, MIN_COMMON_SHARE = 0.3, 0.35
"""With larger shares, a compressed picture is a drawing or a screenshot."""
MAX_NOISE = 3.0
"""With noise of a larger standard deviation in luma, in levels, a photo is noisy. Photos without noise have
at most 1, and fine textures that were reduced to a quarter 2.4. Gain of `clean` over `faithful` at x2 with
noise of 2 levels in luma (3 in each colour): 0.1 dB, of 4: 0.9.
"""
LEAST_QUALITIES = (85, 60, 1)
"""The least JPEG qualities for the levels of denoising 1, 2 and 3. Gain of level 1 over 2 at quality 90: 0.3
dB on photos and 0.4 on drawings; of 2 over 1 at 75: 0.5 and 0.5; of 3 over 2 at 50: 0.1 and 0.3, at 30: 0.1
and 1.0.
"""
LOSSY_LEVEL, UNTOUCHED_LEVEL = 2, 0


@dataclass(frozen=True, slots=True)
class Choice:
    model: Model
    reason: str
    """For programs; part of the API."""
    message: str
    """For people; part of the API."""

    @property
    def denoise(self) -> int | None:
        """The level of denoising; None from a model without levels."""
        return self.model.denoise


@dataclass(frozen=True, slots=True)
class Rule:
    """The model that `auto` chooses for one kind of picture."""

    model: str
    reason: str
    message: str
    preferred: str = ""
    """An optional model that takes the place of `model` where it is served."""


class NotServed(Exception):
    """This worker does not serve the model that the client requested, and must not take another one."""


def choose_model(
    requested: str,
    original: Picture | Animation,
    served: Mapping[str, Model],
    denoise: int | None = None,
    strength: float | None = None,
) -> Choice:
    """Return the requested model, or for `auto` the one that suits the picture.

    `denoise` is the requested level of denoising. Without one, a model that has levels gets the one that
    suits the picture. `strength` is the requested share of `enhance` over `faithful`. Raises `NotServed`.
    """
    choice = _choose(requested, original, served)
    model = choice.model
    if model.name == ENHANCE:
        return replace(choice, model=with_strength(model, served, 1 if strength is None else strength))
    if not model.levels:
        return choice
    picture = original if isinstance(original, Picture) else original.frames[0]
    return replace(choice, model=model.at(level_for(picture, model) if denoise is None else denoise))


def with_strength(enhance: Model, served: Mapping[str, Model], strength: float) -> Model:
    """Return `enhance` with a strength, blended over `faithful`. Raises `NotServed` if that is needed."""
    if strength == 1:
        return replace(enhance, strength=strength)
    if FAITHFUL not in served:
        raise NotServed(f"the model {FAITHFUL}, over which {enhance.name} is blended, is not served")
    return enhance.over(served[FAITHFUL], strength)


def level_for(picture: Picture, model: Model) -> int | None:
    """Return the level of denoising that suits the picture."""
    quality = picture.jpeg_quality
    if quality is not None:
        return next(level for level, least in enumerate(LEAST_QUALITIES, 1) if quality >= least)
    if not picture.is_lossless:
        return LOSSY_LEVEL
    return UNTOUCHED_LEVEL if model.name == ART and picture.source_format != "GIF" else model.denoise


def _choose(requested: str, original: Picture | Animation, served: Mapping[str, Model]) -> Choice:
    if requested and requested != AUTO:
        if model := served.get(requested):
            return Choice(model, "asked_for", "The model that was asked for.")
        raise NotServed(f"the model {requested} is not served")
    rule = match_rule(original) if isinstance(original, Picture) else match_animation(original)
    for name in (rule.preferred, rule.model):
        if name in served:
            return Choice(served[name], rule.reason, rule.message)
    only = next(served[name] for name in REQUIRED if name in served)
    return Choice(only, "only_model", "This installation chooses no other by itself.")


INVISIBLE = Rule(CLEAN, "nothing_visible", "No pixel is visible: there is nothing to draw.", PIXEL)
ONE_COLOUR = Rule(CLEAN, "one_colour", "One colour everywhere: it is kept exactly.", PIXEL)
PIXEL_ART = Rule(CLEAN, "pixel_art", "Pixel art: its pixels are repeated, without a new colour.", PIXEL)
PHOTO = Rule(FAITHFUL, "clean_photo", "A photo without visible wear: the model nearest to the original.")
NOISY = Rule(CLEAN, "noisy_photo", "A photo with visible noise, which is smoothed rather than enlarged.")
WORN_JPEG = Rule(CLEAN, "worn_jpeg", "JPEG has left traces, which are cleaned rather than enlarged.")
WORN_WEBP = Rule(CLEAN, "worn_webp", "WebP has left traces, which are cleaned rather than enlarged.")
FLAT_COARSE = Rule(
    CLEAN, "coarse_colours", "Hardly any colours: edges are drawn anew where possible.", preferred=ENHANCE
)
"""The only kind of picture that `enhance` is best for by PSNR too, and not only to the eye."""
FLAT_COLOURS = Rule(CLEAN, "few_colours", "Few colours: steps between them are smoothed.")
DITHERED = Rule(CLEAN, "dithered", "Few colours, mixed by dithering: its speckles are smoothed.")
HARD_EDGES = Rule(CLEAN, "hard_edges", "Hard edges on plain colours, as in screenshots, text and drawings.")
DRAWING = Rule(CLEAN, "drawing", "A drawing: its lines and plain colours are kept.", preferred=ART)


def main_choice(choices: Sequence[Choice]) -> Choice:
    """Return the choice for the first page that shows something, or else for the first."""
    blank = (INVISIBLE.reason, ONE_COLOUR.reason)
    return next((choice for choice in choices if choice.reason not in blank), choices[0])


def match_animation(animation: Animation) -> Rule:
    """Return the rule for the first frame that shows something. Pixel art must be pixel art to its end."""
    visible = [frame for frame in animation.frames if not is_invisible(frame)] or animation.frames
    frames = [frame for frame in visible if one_colour(frame) is None] or visible
    rule = match_rule(frames[0])
    if rule == PIXEL_ART:
        later = (match_rule(frame) for frame in (frames[len(frames) // 2], frames[-1]))
        return next((other for other in later if other != PIXEL_ART), rule)
    return rule


def match_rule(picture: Picture) -> Rule:
    """Return the first rule that fits the picture."""
    if is_invisible(picture):
        return INVISIBLE
    if constant_alpha(picture) is not None and one_colour(picture) is not None:
        return ONE_COLOUR
    if is_worn(picture.source_format, picture.jpeg_quality, is_lossy=not picture.is_lossless):
        if is_worn_drawing(Sample(picture)):
            return DRAWING
        return WORN_WEBP if picture.source_format == "WEBP" else WORN_JPEG
    return match_sample(picture, Sample(picture))


def match_sample(picture: Picture, sample: Sample) -> Rule:
    """Return the rule for a picture that compression has left no visible traces in."""
    if is_pixel_art(picture, sample):
        return PIXEL_ART
    is_drawn = sample.drawn_share > MIN_DRAWN_SHARE
    by_colours = match_few_colours(sample) if sample.has_palette else None
    if by_colours == FLAT_COARSE:
        return FLAT_COARSE
    if is_drawn and sample.straight_share < MAX_STRAIGHT_SHARE:
        return DRAWING
    if by_colours or is_drawn:
        return by_colours or HARD_EDGES
    return NOISY if sample.noise > MAX_NOISE else PHOTO


def match_few_colours(sample: Sample) -> Rule | None:
    if sample.colour_count <= COARSE_COLOURS and (
        sample.colour_count == 2 or sample.speckle_share > MIN_SPECKLE_SHARE
    ):
        return FLAT_COARSE
    if sample.colour_count <= FEW_COLOURS:
        return FLAT_COLOURS
    return DITHERED if sample.speckle_share > MIN_SPECKLE_SHARE else None


def is_worn_drawing(sample: Sample) -> bool:
    """Return whether a picture with traces of compression is a drawing.

    A photo that is taken for one loses nothing but time: `art` is as good as `clean` on compressed photos.
    """
    return (
        sample.plain_share > MIN_PLAIN_SHARE
        and sample.common_share > MIN_COMMON_SHARE
        and sample.straight_share < MAX_STRAIGHT_SHARE
    )
