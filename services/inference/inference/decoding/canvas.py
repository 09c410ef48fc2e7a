"""Composes the frames of an animated PNG as a viewer shows them (PNG, third edition), in the worker.

The child sends each frame as it is stored. Colours of 16 bits are composed with all their bits.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from imagefile.apng import CLEAR, REPLACE, RESTORE
from inference.decoding.protocol import CanvasHeader, DecodedHeader, FrameHeader
from inference.picture import Animation, Pages, Picture, Pixels, turn_upright

STRIP_PIXELS = 1 << 18
"""Pixels that are blended at once, because wide numbers take eight times their memory."""

Answer = tuple[DecodedHeader, Picture]


class Canvas:
    """The picture that frames are drawn on, with alpha last. It is transparent at first."""

    def __init__(self, header: CanvasHeader, first: Picture) -> None:
        self._first = first
        self._orientation = header["orientation"]
        channels = first.pixels.shape[2] + 1
        self._samples = np.zeros((header["height"], header["width"], channels), first.pixels.dtype)

    def takes(self, frame: Picture, header: FrameHeader) -> bool:
        """Return whether the frame lies on the canvas, and has its channels and its depth."""
        height, width, channels = self._samples.shape
        return (
            0 <= header["left"] <= width - frame.width
            and 0 <= header["top"] <= height - frame.height
            and frame.pixels.dtype == self._samples.dtype
            and frame.pixels.shape[2] + 1 == channels
        )

    def draw(self, frame: Picture, header: FrameHeader) -> Picture:
        """Return the canvas with the frame, and prepare it for the next one."""
        left, top = header["left"], header["top"]
        place = self._samples[top : top + frame.height, left : left + frame.width]
        before = place.copy() if header["disposal"] == RESTORE else None
        draw(place, frame, is_blended=header["blending"] != REPLACE)
        shown = self._picture()
        if header["disposal"] == CLEAR:
            place[:] = 0
        elif before is not None:
            place[:] = before
        return shown

    def _picture(self) -> Picture:
        upright = turn_upright(self._samples, self._orientation)
        alpha = upright[:, :, -1]
        is_opaque = alpha.min() == np.iinfo(alpha.dtype).max
        colours = upright[:, :, :-1].copy()
        return replace(self._first, pixels=colours, alpha=None if is_opaque else alpha.copy())


def draw(place: Pixels, frame: Picture, *, is_blended: bool) -> None:
    """Draw a frame on a part of the canvas."""
    highest = np.iinfo(place.dtype).max
    if frame.alpha is None or not is_blended:
        place[:, :, :-1] = frame.pixels
        place[:, :, -1] = highest if frame.alpha is None else frame.alpha
        return
    step = max(1, STRIP_PIXELS // frame.width)
    for top in range(0, frame.height, step):
        rows = slice(top, top + step)
        blend(place[rows], frame.pixels[rows], frame.alpha[rows], int(highest))


def blend(below: Pixels, colours: Pixels, alpha: Pixels, highest: int) -> None:
    """Lay colours over what is there, each with its own alpha. Both are rounded half up."""
    upper = alpha.astype(np.int64)[:, :, np.newaxis] * highest
    lower = below[:, :, -1:].astype(np.int64) * (highest - alpha.astype(np.int64)[:, :, np.newaxis])
    total = upper + lower
    mixed = colours * upper + below[:, :, :-1] * lower
    below[:, :, :-1] = np.where(total > 0, (2 * mixed + total) // np.maximum(1, 2 * total), 0)
    below[:, :, -1:] = (2 * total + highest) // (2 * highest)


def compose(first: Picture, header: CanvasHeader, answers: Iterable[Answer | None]) -> Animation | Pages:
    """Return the animation, or the still picture alone if a frame is damaged.

    An answer is None for a damaged frame. All answers are taken.
    """
    canvas, frames, milliseconds, is_damaged = Canvas(header, first), list[Picture](), list[float](), False
    for answer in answers:
        frame_header = answer[0].get("frame") if answer else None
        if answer is None or frame_header is None or not canvas.takes(answer[1], frame_header):
            is_damaged = True
        if is_damaged or answer is None or frame_header is None:
            frames.clear()
            continue
        frames.append(canvas.draw(answer[1], frame_header))
        milliseconds.append(frame_header["milliseconds"])
    if is_damaged:
        return Pages([first])
    has_alpha = first.has_alpha or any(frame.alpha is not None for frame in frames)
    frames = [replace(frame, has_alpha=has_alpha) for frame in frames]
    hidden = replace(first, has_alpha=has_alpha) if header["is_still_hidden"] else None
    return Animation(frames, milliseconds, header["plays"], hidden)
