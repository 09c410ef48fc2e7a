"""Plans which pages of a TIFF, or frames of an animation, a result has, and says what is left out.

They share the limits of animations. Beyond these, the first one is upscaled alone, and nothing is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from imagefile.formats import FORMATS, WRITABLE, Format, keeps_all
from imagefile.tiff_pages import enlarged
from images.formats.sniff import Header
from images.uploads.output import Output
from images.uploads.sizing import Limits, Size

Warning_ = dict[str, str]
"""A warning as it is stored: `field` and `message`."""


@dataclass(frozen=True, slots=True)
class SequencePlan:
    sizes: tuple[Size, ...] = ()
    """The sizes of the original's pictures that the result has. Empty if it has only the first."""
    warnings: tuple[Warning_, ...] = ()


def plan(header: Header, output: Output, size: Size, limits: Limits) -> SequencePlan:
    """Return what a result has whose first picture has this size."""
    file_format, sequence = output.format_for(header), header.sequence
    if not keeps_all(file_format, header.format):
        others, noun = (
            max(header.frames - 1, sequence.others),
            "frame" if header.frames > 1 else sequence.noun,
        )
        if others:
            return SequencePlan(warnings=(_left_out(others, noun, file_format, output),))
    warnings = [warning("image", sequence.problem)] if sequence.problem else []
    if not keeps_all(file_format, header.format) or not sequence.sizes:
        return SequencePlan(warnings=tuple(warnings))
    results = [enlarged(each, (header.width, header.height), size) for each in sequence.sizes]
    if problem := _size_problem(results, file_format, limits):
        text = f"The {len(results)} {sequence.noun}s {problem}: only the first was upscaled."
        return SequencePlan(warnings=(warning("image", text),))
    return SequencePlan(sequence.sizes, tuple(warnings))


def warning(field: str, message: str) -> Warning_:
    return {"field": field, "message": message}


def _left_out(others: int, noun: str, file_format: Format, output: Output) -> Warning_:
    were = f"the other {noun} was" if others == 1 else f"{others} other {noun}s were"
    text = f"A result in {FORMATS[file_format].title} has one {noun} of this image: {were} left out."
    return warning("output_format" if output.format else "image", text)


def _size_problem(results: Sequence[Size], file_format: Format, limits: Limits) -> str:
    """Return why the results are too large, or an empty string."""
    format_limits, most = WRITABLE[file_format].limits, limits.largest_animation_pixels
    areas = [width * height for width, height in results]
    longest = min(limits.longest_side, format_limits.longest_side)
    if sum(areas) > most:
        return f"have more than {most / 1e6:g} megapixels together in the result"
    if max(max(size) for size in results) > longest:
        return f"have a side of more than {longest} pixels in the result"
    largest = format_limits.frame_pixels
    if largest and max(areas) > largest:
        return f"have more than {largest} pixels each in the result"
    return ""
