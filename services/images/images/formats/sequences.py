"""Finds out which pages of a TIFF, or frames of an animated PNG, can be upscaled together.

Too many of them, or damaged ones, refuse nothing: the first picture is upscaled alone, or the others are left
out. A problem says so.
"""

from dataclasses import dataclass
from typing import Any

from imagefile import apng, tiff_pages

Size = tuple[int, int]
MOST_COUNTED = 10_000_000
"""No file that may be uploaded has more pages or frames."""
LONGEST_PROBLEM = 500
DAMAGED_ANIMATION = "The animation is damaged: its frames were left out, and the still picture was upscaled."
FIRST_PICTURE_ONLY = "The image is an animation: only its first picture was upscaled."


@dataclass(frozen=True, slots=True)
class Sequence:
    """The pictures of one file. A file with one picture has the default values."""

    noun: str = "page"
    """The word for one of the pictures: `page` or `frame`."""
    sizes: tuple[Size, ...] = ()
    """The sizes of the pictures that can be upscaled together, the first included. Empty if only one can."""
    others: int = 0
    """The number of pictures beside the first, also those that cannot be upscaled."""
    problem: str = ""
    """The reason why some or all of the others cannot be upscaled. Empty if all can."""


NO_SEQUENCE = Sequence()
UNREAD_ANIMATION = Sequence("frame", problem=FIRST_PICTURE_ONLY)
"""An animation of a format of which only the first picture is read."""


def of_tiff(data: bytes, largest_pixels: int) -> Sequence:
    """Return the pages of a TIFF."""
    pages = tiff_pages.read_pages(data)
    sizes = tuple((page.width, page.height) for page in pages.readable)
    count, problem = len(sizes) + pages.left_out, ""
    if count > tiff_pages.MOST_PAGES:
        sizes, problem = (), _too_many("page", tiff_pages.MOST_PAGES)
    elif _pixels(sizes) > largest_pixels:
        sizes, problem = (), _too_large("page", count, largest_pixels)
    elif not pages.are_all:
        problem = "The image has more pages, which are damaged: they were left out."
    elif pages.left_out:
        verb = "was" if pages.left_out == 1 else "were"
        kind = "damaged, or of a kind that cannot be upscaled"
        problem = f"{pages.left_out} of {count} pages {verb} left out: {kind}."
    return Sequence("page", sizes if len(sizes) > 1 else (), max(0, count - 1), problem)


def of_png(data: bytes, size: Size, largest_pixels: int) -> Sequence:
    """Return the frames of a PNG, and the still picture if it is no frame. `size` is that of the canvas."""
    animation = apng.read(data)
    if animation is None:
        return Sequence("frame")
    sizes, problem = (size,) * animation.pictures, ""
    if animation.count > apng.MOST_FRAMES:
        sizes, problem = (), _too_many("frame", apng.MOST_FRAMES)
    elif not animation.frames:
        sizes = ()
        problem = DAMAGED_ANIMATION
    elif _pixels(sizes) > largest_pixels:
        sizes, problem = (), _too_large("frame", animation.count, largest_pixels)
    others = animation.count - (not animation.is_still_hidden)
    return Sequence("frame", sizes, others, problem)


def lost_in_decoding(count: int, *, are_pages: bool) -> str:
    """Return the problem of pages or frames that only the decoder found to be damaged.

    A page is left out alone. A frame takes the animation with it.
    """
    if not are_pages:
        return DAMAGED_ANIMATION
    pages, was = ("page", "was") if count == 1 else ("pages", "were")
    return f"{count} {pages} could not be decoded and {was} left out."


def _pixels(sizes: tuple[Size, ...]) -> int:
    return sum(width * height for width, height in sizes)


def _too_many(noun: str, most: int) -> str:
    return f"The image has more than {most} {noun}s: only the first was upscaled."


def _too_large(noun: str, count: int, largest_pixels: int) -> str:
    most = f"{largest_pixels / 1e6:g} megapixels"
    return f"The {count} {noun}s have more than {most} together: only the first was upscaled."


def check_sequence(answer: dict[str, Any], *, largest_pixels: int) -> Sequence:
    """Return the sequence that the parsing child has sent.

    Raise `ValueError` unless an honest child can send it.
    """
    if set(answer) != {"noun", "sizes", "others", "problem"}:
        raise ValueError("the sequence lacks a field, or has an unknown one")
    noun, others, problem = answer["noun"], answer["others"], answer["problem"]
    if noun not in ("page", "frame") or type(others) is not int or not 0 <= others <= MOST_COUNTED:
        raise ValueError("the sequence has an unknown noun or an impossible number")
    if not isinstance(problem, str) or not len(problem) <= LONGEST_PROBLEM or not f"x{problem}".isprintable():
        raise ValueError("the problem is no line of text")
    sizes = tuple(_checked_size(size) for size in answer["sizes"])
    if len(sizes) > tiff_pages.MOST_PAGES or _pixels(sizes) > largest_pixels:
        raise ValueError("the sequence has too many pictures or pixels")
    return Sequence(noun, sizes, others, problem)


def _checked_size(size: Any) -> Size:
    width, height = size
    if type(width) is not int or type(height) is not int or min(width, height) < 1:
        raise ValueError("a size is impossible")
    return width, height
