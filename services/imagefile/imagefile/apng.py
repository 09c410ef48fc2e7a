"""The frames of an animated PNG (PNG, third edition, chunks acTL, fcTL and fdAT), checked without decoding.

A file whose animation is damaged has a sound still picture nevertheless, which counts alone then.
"""

import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile

from imagefile import gif, png_metadata
from imagefile.png import (
    END,
    FRAME_PIXELS,
    HEADER,
    LONGEST_SECONDS,
    PIXELS,
    SIGNATURE,
    Chunk,
    bytes_needed,
    chunk_of,
    describing,
    inflates_to,
    sound_chunks,
)

ANIMATION, FRAME = b"acTL", b"fcTL"
KEEP, CLEAR, RESTORE = 0, 1, 2
"""Disposal of a frame's area before the next frame: it stays, becomes transparent, or becomes as before."""
REPLACE, BLEND = 0, 1
"""How a frame is drawn: instead of what is there, or over it."""
FRAME_FORMAT, COUNTS_FORMAT = struct.Struct(">IIIIIHHBB"), struct.Struct(">II")
DEFAULT_DENOMINATOR = 100
"""Stands for 0: the delay is in hundredths of a second then."""
MOST_FRAMES = gif.MOST_FRAMES
STRUCTURE = (b"PLTE", b"tRNS", b"cICP")
"""Chunks that frames need too."""
COLOURS = (b"gAMA", b"cHRM", b"sRGB")
"""Chunks that frames need too, unless there is a colour profile."""


@dataclass(frozen=True, slots=True)
class Frame:
    width: int
    height: int
    left: int
    top: int
    milliseconds: float
    disposal: int
    blending: int
    pixels: tuple[memoryview, ...]
    """The compressed pixels, in parts."""


@dataclass(frozen=True, slots=True)
class Apng:
    """The animation of a file."""

    width: int
    height: int
    plays: int
    """How often it is played: 0 for ever."""
    count: int
    """The number of frames, also of those that are damaged."""
    frames: tuple[Frame, ...]
    """Empty if the animation is damaged, or has more frames than `MOST_FRAMES`."""
    is_still_hidden: bool
    """Whether the still picture is no frame, and is shown only by viewers that do not know animations."""
    common: bytes
    """The chunks that all frames need, the header left out."""
    header: bytes

    @property
    def pictures(self) -> int:
        """The number of pictures of the size of the canvas: the frames, and the still one if it is hidden."""
        return len(self.frames) + self.is_still_hidden

    def file_of(self, frame: Frame) -> bytes:
        """Return the PNG of one frame, as large as the frame."""
        header = struct.pack(">II", frame.width, frame.height) + self.header[8:]
        pixels = chunk_of(PIXELS, b"".join(frame.pixels))
        return b"".join((SIGNATURE, chunk_of(HEADER, header), self.common, pixels, chunk_of(END, b"")))


class Damaged(ValueError):
    """The frames do not fit together, or some are missing."""


def read(data: bytes) -> Apng | None:
    """Return the animation, or None if the file has none.

    An animation of one frame that is the still picture is none. Raise `struct.error` for a damaged header.
    """
    found = list(sound_chunks(data))
    is_announced = any(chunk.kind == ANIMATION for chunk in takewhile(_is_before_pixels, found))
    count = max(_announced(found), sum(chunk.kind == FRAME for chunk in found))
    header = bytes(found[0].body) if found else b""
    if count == 0 or not header:
        return None
    width, height = struct.unpack_from(">II", header)
    frames: tuple[Frame, ...] = ()
    is_hidden, plays = _is_still_hidden(found), 0
    if is_announced and count <= MOST_FRAMES:
        with suppress(Damaged, struct.error):
            plays, frames = _sound_frames(found, header)
    if count == 1 and not is_hidden:
        return None
    return Apng(width, height, plays, count, frames, is_hidden, _common(found, header), header)


def _is_before_pixels(chunk: Chunk) -> bool:
    return chunk.kind != PIXELS


def _announced(found: list[Chunk]) -> int:
    """Return the number of frames that the file announces. Return 0 if it announces none."""
    bodies = (chunk.body for chunk in found if chunk.kind == ANIMATION)
    return next((COUNTS_FORMAT.unpack(body)[0] for body in bodies if len(body) == COUNTS_FORMAT.size), 0)


def _is_still_hidden(found: list[Chunk]) -> bool:
    return all(chunk.kind != FRAME for chunk in takewhile(_is_before_pixels, found))


def _sound_frames(found: list[Chunk], header: bytes) -> tuple[int, tuple[Frame, ...]]:
    """Return how often the frames are played, and the frames. Raise `Damaged`, or `struct.error`."""
    [counts] = [bytes(chunk.body) for chunk in found if chunk.kind == ANIMATION][:1]
    count, plays = COUNTS_FORMAT.unpack(counts)
    frames = tuple(_assemble(found))
    if len(frames) != count:
        raise Damaged(f"{len(frames)} of {count} frames")
    width, height = struct.unpack_from(">II", header)
    if not _is_still_hidden(found):
        first = frames[0]
        if (first.width, first.height, first.left, first.top) != (width, height, 0, 0):
            raise Damaged("the still picture is a frame of another size")
    until = time.thread_time() + LONGEST_SECONDS
    for frame in frames:
        if not _is_sound(frame, header, until):
            raise Damaged("a frame lacks pixels, or lies outside the picture")
    return plays, frames


def _is_sound(frame: Frame, header: bytes, until: float) -> bool:
    width, height = struct.unpack_from(">II", header)
    needed = bytes_needed(struct.pack(">II", frame.width, frame.height) + header[8:])
    return (
        min(frame.width, frame.height) > 0
        and frame.left + frame.width <= width
        and frame.top + frame.height <= height
        and frame.disposal <= RESTORE
        and frame.blending <= BLEND
        and inflates_to(frame.pixels, needed, until)
    )


def _assemble(found: list[Chunk]) -> Iterator[Frame]:
    """Yield the frames with their pixels. Raise `Damaged` if chunks are missing or in disorder."""
    _check_order(found)
    control, pixels = b"", list[memoryview]()
    for chunk in found:
        if chunk.kind == FRAME:
            if control:
                yield _frame(control, pixels)
            control, pixels = bytes(chunk.body), []
        elif control and chunk.kind in (PIXELS, FRAME_PIXELS):
            pixels.append(chunk.body[4:] if chunk.kind == FRAME_PIXELS else chunk.body)
    if control:
        yield _frame(control, pixels)


def _check_order(found: list[Chunk]) -> None:
    """Raise `Damaged` unless the numbers are complete, and pixels of frames follow those of the still picture
    and the header of their frame.
    """
    sequence, has_still, is_later = 0, False, False
    for chunk in found:
        if chunk.kind in (FRAME, FRAME_PIXELS):
            if struct.unpack_from(">I", chunk.body)[0] != sequence:
                raise Damaged(f"chunk {sequence} of the animation is missing")
            sequence += 1
        has_still |= chunk.kind == PIXELS
        is_later |= chunk.kind == FRAME and has_still
        if chunk.kind in (PIXELS, FRAME_PIXELS) and (chunk.kind == FRAME_PIXELS) != is_later:
            raise Damaged("pixels stand among those of another picture")


def _frame(control: bytes, pixels: Iterable[memoryview]) -> Frame:
    _, width, height, left, top, numerator, denominator, disposal, blending = FRAME_FORMAT.unpack(control)
    milliseconds = 1000 * numerator / (denominator or DEFAULT_DENOMINATOR)
    return Frame(width, height, left, top, milliseconds, disposal, blending, tuple(pixels))


def _common(found: list[Chunk], header: bytes) -> bytes:
    """Return the chunks that all frames need, without those that are damaged."""
    before, budget = list(takewhile(_is_before_pixels, found)), png_metadata.Budget()
    has_profile = any(chunk.kind == b"iCCP" for chunk in before)
    kinds = STRUCTURE if has_profile else (*STRUCTURE, *COLOURS)
    return b"".join(describing(header, (chunk for chunk in before if chunk.kind in kinds), budget))
