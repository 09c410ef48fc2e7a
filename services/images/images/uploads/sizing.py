"""Computes the exact size of a result from the client's options, or refuses it with a reason."""

import re
from dataclasses import dataclass, replace
from typing import Self

from common import errors
from loupe.contract import LONGEST_OUTPUT_SIDE, SCALE_FACTORS

DEFAULT_SCALE = 2
LARGEST_SCALE = max(SCALE_FACTORS)
SCALE_BOUNDS = (min(SCALE_FACTORS), LARGEST_SCALE)
SIDE_BOUNDS = (1, LONGEST_OUTPUT_SIDE)
MOST_DIGITS = 19
"""A number with more is out of all bounds."""

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, slots=True)
class Options:
    """The requested size: either a scale factor, or one or two targets in pixels. Others are None."""

    scale_factor: int | None = DEFAULT_SCALE
    target_width: int | None = None
    target_height: int | None = None

    @property
    def field(self) -> str:
        """The form field that is at fault if the result would be too large."""
        if self.scale_factor is not None:
            return "scale_factor"
        return "target_height" if self.target_width is None else "target_width"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a result. `max_scale` comes from the plan, the others from the settings."""

    max_scale: int
    longest_side: int
    largest_pixels: int
    largest_animation_pixels: int
    """Pixels of all frames together."""

    def within(self, longest_side: int, frames: int) -> Self:
        """Return the limits for one frame. `longest_side` is the format's limit, `frames` their number."""
        pixels = self.largest_pixels if frames == 1 else self.largest_animation_pixels // frames
        return replace(
            self,
            longest_side=min(self.longest_side, longest_side),
            largest_pixels=min(self.largest_pixels, pixels),
        )


def parse(scale_factor: str, target_width: str, target_height: str) -> Options:
    """Return the options from the form's texts. An empty text counts as not sent.

    Raise `InvalidArgument` with every field at fault.
    """
    fields: dict[str, list[str]] = {}
    scale = parse_integer("scale_factor", scale_factor, SCALE_BOUNDS, fields)
    width = parse_integer("target_width", target_width, SIDE_BOUNDS, fields)
    height = parse_integer("target_height", target_height, SIDE_BOUNDS, fields)
    if scale_factor and (target_width or target_height):
        fields.setdefault("scale_factor", []).append(
            "The scale factor cannot be used with target width or target height."
        )
        for name, text in (("target_width", target_width), ("target_height", target_height)):
            if text:
                fields.setdefault(name, []).append(f"The {_label(name)} cannot be used with scale factor.")
    if fields:
        raise errors.invalid(fields)
    if width is None and height is None:
        return Options(scale_factor=scale or DEFAULT_SCALE)
    return Options(scale_factor=None, target_width=width, target_height=height)


def output_size(width: int, height: int, options: Options, limits: Limits) -> Size:
    """Return the result's size. A side without a target follows the aspect ratio, rounded half up.

    Raise `InvalidArgument` with the fields at fault if the limits do not allow that size.
    """
    original = (width, height)
    size = _requested_size(original, options)
    if options.scale_factor is None:
        _check_targets(original, size, options, limits.max_scale)
    else:
        check_scale(original, size, options, limits.max_scale)
    _check_size(size, options.field, limits)
    return size


def check_scale(original: Size, size: Size, options: Options, max_scale: int) -> None:
    """Raise `InvalidArgument` if the result is more than `max_scale` times the original."""
    if options.scale_factor is None:
        fields = {
            field: [_beyond_scale_text(field, max_scale)]
            for field, (before, after) in _sides(original, size, options)
            if after > before * max_scale
        }
    elif options.scale_factor > max_scale:
        fields = {"scale_factor": [f"The scale factor may not be greater than {max_scale}."]}
    else:
        return
    if fields:
        raise errors.invalid(fields)


def parse_integer(name: str, text: str, bounds: tuple[int, int], fields: dict[str, list[str]]) -> int | None:
    """Return the number, or None if there is no text or it is invalid. Add its problem to `fields`."""
    if not text:
        return None
    label, (least, most) = _label(name), bounds
    found = re.fullmatch(r"([+-]?)0*([0-9]+)", text.strip())
    if found is None:
        fields[name] = [f"The {label} must be an integer."]
    elif len(found[2]) > MOST_DIGITS or not least <= int(found[1] + found[2]) <= most:
        fields[name] = [f"The {label} must be between {least} and {most}."]
    else:
        return int(found[1] + found[2])
    return None


def _label(field: str) -> str:
    return field.replace("_", " ")


def _requested_size(original: Size, options: Options) -> Size:
    width, height = original
    if options.scale_factor is not None:
        return width * options.scale_factor, height * options.scale_factor
    return (
        options.target_width or _divide_half_up(width * (options.target_height or 0), height),
        options.target_height or _divide_half_up(height * (options.target_width or 0), width),
    )


def _divide_half_up(numerator: int, denominator: int) -> int:
    return max(1, (2 * numerator + denominator) // (2 * denominator))


def _sides(original: Size, size: Size, options: Options) -> list[tuple[str, tuple[int, int]]]:
    """Return for width and height the form field that determines it, and its pixels before and after."""
    width = "target_width" if options.target_width is not None else "target_height"
    height = "target_height" if options.target_height is not None else "target_width"
    return [(width, (original[0], size[0])), (height, (original[1], size[1]))]


def _check_targets(original: Size, size: Size, options: Options, max_scale: int) -> None:
    """Raise `InvalidArgument` if a side shrinks, if one grows beyond `max_scale`, or if neither changes."""
    fields: dict[str, list[str]] = {}
    for field, (before, after) in _sides(original, size, options):
        if after < before:
            fields[field] = [f"The {_label(field)} must not be smaller than the original."]
        elif after > before * max_scale:
            fields[field] = [_beyond_scale_text(field, max_scale)]
    if not fields and size == original:
        requested = [field for field, _ in _sides(original, size, options)]
        fields = {field: ["The target must be larger than the original."] for field in requested}
    if fields:
        raise errors.invalid(fields)


def _beyond_scale_text(field: str, max_scale: int) -> str:
    return f"The {_label(field)} may not be more than {max_scale} times the original."


def _check_size(size: Size, field: str, limits: Limits) -> None:
    if max(size) > limits.longest_side:
        problem = f"makes a side of {max(size)} pixels; at most {limits.longest_side} are possible."
    elif size[0] * size[1] > limits.largest_pixels:
        problem = f"makes {size[0]} x {size[1]} pixels; at most {limits.largest_pixels} are possible."
    else:
        return
    raise errors.invalid({field: [f"The {_label(field)} {problem}"]})
