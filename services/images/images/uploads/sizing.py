"""From what a client asked for to the exact size of the result, or what is wrong with the question."""

import re
from dataclasses import dataclass, replace
from typing import Self

from common import errors

SCALES = (2, 4)
DEFAULT_SCALE = 2
SIDES = (1, 16_384)


@dataclass(frozen=True, slots=True)
class Options:
    """Either a factor or targets; a target that was not asked for is None."""

    scale_factor: int | None = DEFAULT_SCALE
    target_width: int | None = None
    target_height: int | None = None

    @property
    def field(self) -> str:
        """What is at fault where the result would be too large."""
        if self.scale_factor is not None:
            return "scale_factor"
        return "target_height" if self.target_width is None else "target_width"


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_scale` is the plan's; the others are the installation's."""

    max_scale: int
    longest_side: int
    largest_pixels: int
    largest_animation_pixels: int
    """Of all frames together."""

    def within(self, longest_side: int, frames: int) -> Self:
        """What a format and a number of frames leave of it."""
        pixels = self.largest_pixels if frames == 1 else self.largest_animation_pixels // frames
        return replace(
            self,
            longest_side=min(self.longest_side, longest_side),
            largest_pixels=min(self.largest_pixels, pixels),
        )


def parse(scale_factor: str, target_width: str, target_height: str) -> Options:
    """Texts as they came in the form; an empty one counts as not sent."""
    fields: dict[str, list[str]] = {}
    scale = _integer("scale_factor", scale_factor, SCALES, fields)
    width = _integer("target_width", target_width, SIDES, fields)
    height = _integer("target_height", target_height, SIDES, fields)
    if scale_factor and (target_width or target_height):
        fields.setdefault("scale_factor", []).append(
            "The scale factor cannot be used with target width or target height."
        )
        for name, text in (("target_width", target_width), ("target_height", target_height)):
            if text:
                words = name.replace("_", " ")
                fields.setdefault(name, []).append(f"The {words} cannot be used with scale factor.")
    if fields:
        raise errors.invalid(fields)
    if width is None and height is None:
        return Options(scale_factor=scale or DEFAULT_SCALE)
    return Options(scale_factor=None, target_width=width, target_height=height)


def _integer(name: str, text: str, bounds: tuple[int, int], fields: dict[str, list[str]]) -> int | None:
    if not text:
        return None
    words, (least, most) = name.replace("_", " "), bounds
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()):
        fields[name] = [f"The {words} must be an integer."]
    elif not least <= int(text) <= most:
        fields[name] = [f"The {words} must be between {least} and {most}."]
    else:
        return int(text)
    return None


def output_size(width: int, height: int, options: Options, limits: Limits) -> tuple[int, int]:
    """Width and height in pixels; a side that was not asked for follows the aspect ratio, rounded half up."""
    if options.scale_factor is not None:
        factor = options.scale_factor
        size = (width * factor, height * factor)
        _check("scale_factor", "scale factor", factor <= limits.max_scale, size, limits)
        return size
    target_width, target_height = options.target_width, options.target_height
    size = (
        target_width or _half_up(width * (target_height or 0), height),
        target_height or _half_up(height * (target_width or 0), width),
    )
    _check_targets((width, height), size, options, limits)
    return size


def _half_up(numerator: int, denominator: int) -> int:
    return max(1, (2 * numerator + denominator) // (2 * denominator))


def _check_targets(
    original: tuple[int, int], size: tuple[int, int], options: Options, limits: Limits
) -> None:
    named = (("target_width", options.target_width), ("target_height", options.target_height))
    asked = [name for name, value in named if value is not None]
    fields: dict[str, list[str]] = {}
    for side, name in enumerate(("target_width", "target_height")):
        field = name if name in asked else asked[0]
        words = field.replace("_", " ")
        if size[side] < original[side]:
            fields[field] = [f"The {words} must not be smaller than the original."]
        elif size[side] > original[side] * limits.max_scale:
            fields[field] = [f"The {words} may not be more than {limits.max_scale} times the original."]
    if not fields and size == original:
        fields = {field: ["The target must be larger than the original."] for field in asked}
    if fields:
        raise errors.invalid(fields)
    _check(asked[0], asked[0].replace("_", " "), True, size, limits)


def _check(field: str, words: str, is_within_plan: bool, size: tuple[int, int], limits: Limits) -> None:
    problem = ""
    if not is_within_plan:
        problem = f"The {words} may not be greater than {limits.max_scale}."
    elif max(size) > limits.longest_side:
        problem = (
            f"The {words} makes a side of {max(size)} pixels; at most {limits.longest_side} are possible."
        )
    elif size[0] * size[1] > limits.largest_pixels:
        problem = (
            f"The {words} makes {size[0]} x {size[1]} pixels; at most {limits.largest_pixels} are possible."
        )
    if problem:
        raise errors.invalid({field: [problem]})
