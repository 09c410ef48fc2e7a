"""Writes and reads animated PNGs byte by byte, and composes their frames as the specification says."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import png

from inference.picture import Pixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEEP, CLEAR, PREVIOUS = 0, 1, 2
SOURCE, OVER = 0, 1
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
PALETTE_TYPE = 3
Chunks = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Frame:
    samples: Pixels
    """Height x width x channels, or the indices of a palette as height x width x 1."""
    at: tuple[int, int] = (0, 0)
    disposal: int = KEEP
    blending: int = SOURCE
    delay: tuple[int, int] = (1, 10)


def a_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def file_of(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    return SIGNATURE + b"".join(a_chunk(kind, body) for kind, body in chunks)


def compressed(samples: Pixels) -> bytes:
    """Return the rows, each with the filter "none"."""
    stored = samples.astype(">u2") if samples.dtype == np.uint16 else samples
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in stored))


def chunks_of_apng(
    *frames: Frame,
    hidden: Pixels | None = None,
    plays: int = 0,
    palette: bytes = b"",
    before: Chunks = [],  # noqa: B006  never changed
) -> Chunks:
    """Return the chunks. `hidden` is a still picture that is no frame. `before` follows the header."""
    still = frames[0].samples if hidden is None else hidden
    height, width, channels = still.shape
    depth = 16 if still.dtype == np.uint16 else 8
    colour_type = PALETTE_TYPE if palette else COLOUR_TYPES[channels]
    chunks: Chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))]
    chunks += [(b"acTL", struct.pack(">II", len(frames), plays)), *before]
    chunks += [(b"PLTE", palette)] if palette else []
    if hidden is not None:
        chunks.append((b"IDAT", compressed(hidden)))
    number = 0
    for index, frame in enumerate(frames):
        rows, columns = frame.samples.shape[:2]
        facts = (columns, rows, *frame.at, *frame.delay, frame.disposal, frame.blending)
        chunks.append((b"fcTL", struct.pack(">IIIIIHHBB", number, *facts)))
        number += 1
        data = compressed(frame.samples)
        if index == 0 and hidden is None:
            chunks.append((b"IDAT", data))
            continue
        middle = len(data) // 2  # two chunks of pixels
        for part in (data[:middle], data[middle:]):
            chunks.append((b"fdAT", struct.pack(">I", number) + part))
            number += 1
    return [*chunks, (b"IEND", b"")]


def composed(frames: Sequence[Frame], size: tuple[int, int]) -> list[Pixels]:
    """Return each frame as it is shown, with alpha last. `frames` hold samples with or without alpha."""
    kind = frames[0].samples.dtype
    highest = np.iinfo(kind).max
    channels = frames[0].samples.shape[2] - 1 | 1
    canvas = np.zeros((size[1], size[0], channels + 1), kind)
    shown: list[Pixels] = []
    for frame in frames:
        before = canvas.copy()
        height, width = frame.samples.shape[:2]
        place = canvas[frame.at[1] : frame.at[1] + height, frame.at[0] : frame.at[0] + width]
        opaque = np.full((height, width, 1), highest, kind)
        samples = (
            np.concatenate([frame.samples, opaque], axis=2) if frame.samples.shape[2] % 2 else frame.samples
        )
        place[:] = samples if frame.blending == SOURCE else over(samples, place.copy(), highest)
        shown.append(canvas.copy())
        if frame.disposal == CLEAR or (frame.disposal == PREVIOUS and len(shown) == 1):
            place[:] = 0
        elif frame.disposal == PREVIOUS:
            canvas = before
    return shown


def over(above: Pixels, below: Pixels, highest: int) -> Pixels:
    """Lay pixels over others, one after the other, with exact fractions (PNG, 13.16)."""
    result = np.zeros_like(above)
    for row, column in np.ndindex(above.shape[:2]):
        upper, lower = above[row, column], below[row, column]
        share, rest = Fraction(int(upper[-1]), highest), Fraction(int(lower[-1]), highest)
        alpha = share + rest * (1 - share)
        for channel in range(above.shape[2] - 1):
            mixed = int(upper[channel]) * share + int(lower[channel]) * rest * (1 - share)
            result[row, column, channel] = int(mixed / alpha + Fraction(1, 2)) if alpha else 0
        result[row, column, -1] = int(alpha * highest + Fraction(1, 2))
    return result


@dataclass(frozen=True)
class Found:
    """The contents of an animated PNG."""

    frames: list[Pixels]
    """The frames as they are shown, with alpha last."""
    still: Pixels
    """The still picture, as stored."""
    delays: list[Fraction]
    """In seconds."""
    plays: int
    is_still_hidden: bool
    chunks: Chunks


def read_chunks(data: bytes) -> Chunks:
    assert data.startswith(SIGNATURE)
    position, chunks = 8, list[tuple[bytes, bytes]]()
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        assert data[position + 8 + length : position + 12 + length] == struct.pack(
            ">I", zlib.crc32(kind + body)
        )
        chunks.append((kind, body))
        position += 12 + length
    return chunks


def read_apng(data: bytes) -> Found:
    """Read a file strictly: every number of the sequence, every place and every count is checked."""
    chunks = read_chunks(data)
    kinds = [kind for kind, _ in chunks]
    assert kinds.index(b"acTL") < kinds.index(b"IDAT")
    [counts] = [body for kind, body in chunks if kind == b"acTL"]
    count, plays = struct.unpack(">II", counts)
    sequence, controls, parts, still = (
        0,
        list[tuple[int, int, int, int, int, int, int, int]](),
        list[bytes](),
        b"",
    )
    for kind, body in chunks:
        if kind in (b"fcTL", b"fdAT"):
            assert struct.unpack_from(">I", body)[0] == sequence
            sequence += 1
        if kind == b"fcTL":
            controls.append(struct.unpack(">IIIIHHBB", body[4:]))
            parts.append(b"")
        elif kind == b"fdAT":
            parts[-1] += body[4:]
        elif kind == b"IDAT":
            still += body
    is_hidden = kinds.index(b"fcTL") > kinds.index(b"IDAT")
    if not is_hidden:
        parts[0] = still
    assert len(controls) == count
    width, height = struct.unpack_from(">II", chunks[0][1])
    frames = [
        Frame(pixels_of(chunks[0][1], (across, down), part), (left, top), disposal, blending, (delay, of))
        for (across, down, left, top, delay, of, disposal, blending), part in zip(
            controls, parts, strict=True
        )
    ]
    delays = [Fraction(frame.delay[0], frame.delay[1] or 100) for frame in frames]
    still_pixels = pixels_of(chunks[0][1], (width, height), still)
    return Found(composed(frames, (width, height)), still_pixels, delays, plays, is_hidden, chunks)


def pixels_of(header: bytes, size: Sequence[int], data: bytes) -> Pixels:
    file = file_of([(b"IHDR", struct.pack(">II", *size) + header[8:]), (b"IDAT", data), (b"IEND", b"")])
    width, height, rows, facts = png.Reader(bytes=file).asDirect()
    kind = np.uint16 if facts["bitdepth"] == 16 else np.uint8
    return np.vstack([np.asarray(row, kind) for row in rows]).reshape(height, width, -1)
