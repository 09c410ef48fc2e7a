"""Every kind of GIF is upscaled exactly. Files are written byte by byte, frames composed as specified."""

import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import pyvips

from inference.decoding.pool import Decoder
from inference.picture import Pixels
from tests.inference.golden import assert_upscaled, read, repeated, upscaled

SIZE = (20, 13)
PALETTE = np.random.default_rng(1).integers(0, 256, (8, 3), np.uint8)
OTHER = np.random.default_rng(2).integers(0, 256, (8, 3), np.uint8)
RAMP = np.arange(8, dtype=np.uint8).repeat(3).reshape(8, 3)
"""Greys whose level equals their index."""
UNSPECIFIED, KEEP, CLEAR, PREVIOUS = 0, 1, 2, 3


@dataclass(frozen=True)
class Frame:
    indices: Pixels
    at: tuple[int, int] = (0, 0)
    disposal: int = KEEP
    transparent: int | None = None
    milliseconds: int = 100
    palette: Pixels | None = None
    """The colour table of this frame, in place of the file's."""
    interlaced: bool = False


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def some_indices(number: int, size: tuple[int, int] = SIZE) -> Pixels:
    return np.random.default_rng(number).integers(0, 8, (size[1], size[0]), np.uint8)


def coded(indices: Pixels) -> bytes:
    """Return LZW codes without compression: a clear code before each fourth colour keeps codes at 4 bits."""
    flat = indices.ravel().tolist()
    codes = [code for at in range(0, len(flat), 4) for code in (8, *flat[at : at + 4])] + [9]
    bits = sum(code << 4 * number for number, code in enumerate(codes))
    data = bits.to_bytes((len(codes) + 1) // 2, "little")
    pieces = [data[at : at + 255] for at in range(0, len(data), 255)]
    return b"\3" + b"".join(bytes((len(piece),)) + piece for piece in pieces) + b"\0"


def interlaced(indices: Pixels) -> Pixels:
    """Return the rows in interlaced order (GIF89a, appendix E)."""
    order = [
        row for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for row in range(start, len(indices), step)
    ]
    return indices[order]


def a_gif(*frames: Frame, loop: int | None = None, is_old: bool = False) -> bytes:
    out = [b"GIF87a" if is_old else b"GIF89a", struct.pack("<HHBBB", *SIZE, 0xA2, 0, 0), PALETTE.tobytes()]
    if loop is not None:
        out.append(b"\x21\xff\x0bNETSCAPE2.0\3\1" + struct.pack("<H", loop) + b"\0")
    for frame in frames:
        if not is_old:
            flags = frame.disposal << 2 | (frame.transparent is not None)
            about = (flags, frame.milliseconds // 10, frame.transparent or 0)
            out.append(b"\x21\xf9\4" + struct.pack("<BHB", *about) + b"\0")
        height, width = frame.indices.shape
        flags = (0x82 if frame.palette is not None else 0) | (0x40 if frame.interlaced else 0)
        out.append(b"," + struct.pack("<HHHHB", *frame.at, width, height, flags))
        out.append(b"" if frame.palette is None else frame.palette.tobytes())
        out.append(coded(interlaced(frame.indices) if frame.interlaced else frame.indices))
    return b"".join([*out, b";"])


def composed(frames: Sequence[Frame]) -> list[Pixels]:
    """Return each frame in RGBA as a viewer shows it, on a transparent canvas (GIF89a, 23)."""
    canvas = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    shown: list[Pixels] = []
    for frame in frames:
        before = canvas.copy()
        height, width = frame.indices.shape
        place = canvas[frame.at[1] : frame.at[1] + height, frame.at[0] : frame.at[0] + width]
        colours = (PALETTE if frame.palette is None else frame.palette)[frame.indices]
        drawn = (
            np.ones(frame.indices.shape, bool)
            if frame.transparent is None
            else frame.indices != frame.transparent
        )
        place[drawn] = np.dstack([colours, np.full(frame.indices.shape, 255, np.uint8)])[drawn]
        shown.append(canvas.copy())
        if frame.disposal == CLEAR:
            place[:] = 0
        elif frame.disposal == PREVIOUS:
            canvas = before
    return shown


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize("palette", [None, OTHER])
async def test_a_still_picture_keeps_its_colours(
    decoder: Decoder, is_old: bool, is_interlaced: bool, palette: Pixels | None
) -> None:
    frame = Frame(some_indices(1), interlaced=is_interlaced, palette=palette)

    result = await upscaled(decoder, a_gif(frame, is_old=is_old), "PNG")

    assert_upscaled(result, (PALETTE if palette is None else palette)[frame.indices])


@pytest.mark.parametrize("transparent", [None, 3])
async def test_a_picture_with_a_grey_table_of_its_own_becomes_grey(
    decoder: Decoder, transparent: int | None
) -> None:
    frame = Frame(some_indices(1), palette=RAMP, transparent=transparent)

    result = await upscaled(decoder, a_gif(frame), "PNG")

    channels = [0] if transparent is None else [0, 3]
    assert_upscaled(result, np.ascontiguousarray(composed([frame])[0][:, :, channels]))


async def test_a_still_picture_keeps_its_transparent_pixels(decoder: Decoder) -> None:
    frame = Frame(some_indices(1), transparent=3)

    result = await upscaled(decoder, a_gif(frame), "PNG")

    assert_upscaled(result, composed([frame])[0])


ANIMATIONS = {
    "whole frames": [Frame(some_indices(1)), Frame(some_indices(2)), Frame(some_indices(3))],
    "parts": [
        Frame(some_indices(1)),
        Frame(some_indices(2, (7, 5)), at=(3, 4)),
        Frame(some_indices(3, (4, 9)), at=(16, 4)),
    ],
    "parts with holes": [Frame(some_indices(1)), Frame(some_indices(2, (9, 8)), at=(1, 2), transparent=5)],
    "own palettes": [Frame(some_indices(1)), Frame(some_indices(2, (9, 8)), at=(5, 5), palette=OTHER)],
    "grey among colours": [
        Frame(some_indices(1)),
        Frame(some_indices(2), at=(0, 0), palette=RAMP, transparent=2),
    ],
    "restored": [
        Frame(some_indices(1)),
        Frame(some_indices(2, (9, 8)), at=(1, 2), disposal=PREVIOUS),
        Frame(some_indices(3, (5, 5)), at=(12, 6)),
    ],
    "interlaced": [Frame(some_indices(1), interlaced=True), Frame(some_indices(2), interlaced=True)],
}
TRANSPARENT_ANIMATIONS = {
    "cleared": [
        Frame(some_indices(1), disposal=CLEAR, transparent=2),
        Frame(some_indices(2), disposal=CLEAR, transparent=2),
        Frame(some_indices(3), disposal=CLEAR, transparent=2),
    ],
    "cleared in part": [
        Frame(some_indices(1), transparent=0),
        Frame(some_indices(2, (9, 8)), at=(1, 2), disposal=CLEAR, transparent=0),
        Frame(some_indices(3, (5, 5)), at=(12, 6)),
    ],
    "cleared without a transparent colour": [
        Frame(some_indices(1), disposal=CLEAR),
        Frame(some_indices(2, (9, 8)), at=(1, 2), disposal=CLEAR),
        Frame(some_indices(3, (5, 5)), at=(12, 6)),
    ],
    "cleared once": [
        Frame(some_indices(1), transparent=0),
        Frame(some_indices(2, (6, 8)), at=(1, 2), disposal=CLEAR, transparent=0),
        Frame(some_indices(3, (8, 9)), at=(11, 3), disposal=UNSPECIFIED),
        Frame(some_indices(4, (2, 2))),
    ],
    "empty first frame": [Frame(some_indices(1, (0, 0))), Frame(some_indices(2))],
    "partial first frame": [
        Frame(some_indices(1, (9, 8)), at=(1, 2)),
        Frame(some_indices(2, (5, 5)), at=(12, 6)),
    ],
}


@pytest.mark.parametrize("kind", ANIMATIONS)
@pytest.mark.parametrize("file_format", ["GIF", "WEBP"])
async def test_an_animation_keeps_every_frame(decoder: Decoder, kind: str, file_format: str) -> None:
    frames = ANIMATIONS[kind]

    result = await upscaled(decoder, a_gif(*frames, loop=0), file_format)  # pyright: ignore[reportArgumentType]

    found = pages(result)
    assert len(found) == len(frames)
    for page, expected in zip(found, composed(frames), strict=True):
        assert np.array_equal(page[:, :, :3], repeated(expected)[:, :, :3])


@pytest.mark.parametrize("kind", TRANSPARENT_ANIMATIONS)
async def test_a_transparent_animation_keeps_its_transparent_pixels(decoder: Decoder, kind: str) -> None:
    """Alpha is resampled and then cut at one half, so only pixels around an edge may differ."""
    frames = TRANSPARENT_ANIMATIONS[kind]

    found = pages(await upscaled(decoder, a_gif(*frames, loop=0), "GIF"))

    assert len(found) == len(frames)
    for page, expected in zip(found, composed(frames), strict=True):
        expected_pixels = repeated(expected)
        both = (page[:, :, 3] == 255) & (expected_pixels[:, :, 3] == 255)
        assert np.array_equal(page[both], expected_pixels[both])
        assert (page[:, :, 3] == expected_pixels[:, :, 3]).mean() > 0.8


@pytest.mark.parametrize("loop", [None, 0, 3])
async def test_an_animation_keeps_its_durations_and_loops(decoder: Decoder, loop: int | None) -> None:
    frames = [
        Frame(some_indices(1), milliseconds=40),
        Frame(some_indices(2), milliseconds=250),
        Frame(some_indices(3)),
    ]

    result = await upscaled(decoder, a_gif(*frames, loop=loop), "GIF")

    about = pyvips.Image.new_from_buffer(result, "", n=-1)
    assert about.get("delay") == [40, 250, 100]
    # libvips counts how often it is played, a GIF how often it is repeated
    assert about.get("loop") == {None: 1, 0: 0, 3: 4}[loop]


@pytest.mark.parametrize("loop", [None, 0, 3, 65_535])
async def test_a_webp_is_played_as_often_as_the_gif(decoder: Decoder, loop: int | None) -> None:
    """A WebP says in 16 bits how often it is played, and a GIF how often it is repeated."""
    result = await upscaled(decoder, a_gif(Frame(some_indices(1)), Frame(some_indices(2)), loop=loop), "WEBP")

    loops = struct.unpack_from("<H", result, result.index(b"ANIM") + 12)[0]
    assert loops == {None: 1, 0: 0, 3: 4, 65_535: 65_535}[loop]


def pages(data: bytes) -> list[Pixels]:
    image = pyvips.Image.new_from_buffer(data, "", n=-1)
    height: Any = image.get("page-height")
    samples = image.numpy()
    return [samples[top : top + height] for top in range(0, len(samples), height)]


async def test_the_canvas_around_a_smaller_frame_is_transparent(decoder: Decoder) -> None:
    frame = Frame(some_indices(1, (9, 8)), at=(4, 3))

    result = read(await upscaled(decoder, a_gif(frame), "PNG"))

    expected_pixels = repeated(composed([frame])[0])
    inside = expected_pixels[:, :, 3] > 0
    assert result[0, 0, 3] == result[-1, -1, 3] == 0
    assert np.array_equal(result[inside][:, :3], expected_pixels[inside][:, :3])
