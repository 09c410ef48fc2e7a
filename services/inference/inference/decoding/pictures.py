"""Puts the pictures of one answer of the decoding child together: pages, or the frames of an animation."""

from collections.abc import Callable

from imagefile.gif import MOST_FRAMES
from inference.decoding import canvas
from inference.decoding.protocol import DecodedHeader
from inference.picture import Animation, Pages, Picture

Answer = tuple[DecodedHeader, Picture]
"""A picture with its header."""


def join(
    first: Picture, header: DecodedHeader, read_other: Callable[[int], Answer | None], most_pixels: int
) -> Picture | Animation | Pages:
    """Return the first picture with those that follow it, of `most_pixels` together.

    `read_other` takes how many pixels are allowed, and returns None for a picture that is damaged. Raise
    `ValueError` for too many pictures or pixels.
    """
    count = header.get("follow", 0)
    if not count:
        return first
    if not 0 < count <= MOST_FRAMES:
        raise ValueError(f"{count} pages or frames are not allowed")
    if canvas_header := header.get("canvas"):
        pictures = count + canvas_header["is_still_hidden"]
        area = canvas_header["width"] * canvas_header["height"]
        if not 0 < pictures * area <= most_pixels:
            raise ValueError(f"{pictures} frames of {area} pixels are not allowed")
        return canvas.compose(first, canvas_header, (read_other(area) for _ in range(count)))
    pages, left = [first], most_pixels - first.width * first.height
    for _ in range(count):
        if answer := read_other(left):
            pages.append(answer[1])
            left -= answer[1].width * answer[1].height
    return Pages(pages)
