"""Every kind of animated PNG comes back with each frame as viewers show it, and with its times and loops."""

import struct
import zlib
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import pyvips

from images.formats.sniff import sniff
from inference.decoding.pool import Decoder
from inference.picture import Animation, Format, Pages, Pixels
from inference.pipeline import render
from inference.render_spec import RenderSpec
from tests.inference.apng_files import (
    CLEAR,
    KEEP,
    OVER,
    PREVIOUS,
    SOURCE,
    Chunks,
    Found,
    Frame,
    chunks_of_apng,
    composed,
    file_of,
    read_apng,
)
from tests.inference.built_models import FAITHFUL
from tests.inference.golden import TILING, lanczos, nearest, noise, read, repeated
from tests.inference.test_decoders import TO_STORED, with_orientation

SIZE = (20, 13)
PALETTE = np.random.default_rng(1).integers(0, 256, (8, 3), np.uint8)
PLACES = [(0, 0, 20, 13), (3, 4, 7, 5), (16, 4, 4, 9), (0, 12, 1, 1), (1, 2, 18, 10)]
"""Left, top, width and height of frames."""


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


async def decoded(decoder: Decoder, data: bytes) -> Any:
    header = sniff(data, largest_pixels=1_000_000)
    return await decoder.decode(data, all_pictures=bool(header.sequence.sizes))


async def upscaled(decoder: Decoder, data: bytes, file_format: Format = "PNG", **options: Any) -> bytes:
    original = await decoded(decoder, data)
    first = original.first if isinstance(original, Animation | Pages) else original
    size = (first.width * 2, first.height * 2)
    return await render(
        original, RenderSpec(size, file_format, FAITHFUL.networks, TILING, **options), nearest
    )


def some_frames(channels: int, depth: int = 8, disposal: int = KEEP, blending: int = SOURCE) -> list[Frame]:
    """Return frames at all places. Their alpha takes every value."""
    frames: list[Frame] = []
    for number, (left, top, width, height) in enumerate(PLACES):
        samples = np.roll(noise(width, height, channels, depth), number)
        if channels in (2, 4):
            samples[:, :, -1] = noise(width + number + 1, height, 1, depth)[:, :width, 0]
            samples[height // 2 :, :, -1] = np.iinfo(samples.dtype).max
            samples[:1, : width // 2, -1] = 0
        frames.append(Frame(samples, (left, top), disposal, blending))
    return frames


def assert_frames(found: Found, expected: list[Pixels]) -> None:
    """Assert that all visible colours are exact, and alpha equals Lanczos resampling within rounding."""
    assert len(found.frames) == len(expected)
    for page, samples in zip(found.frames, expected, strict=True):
        assert page.dtype == samples.dtype
        larger = repeated(samples)
        visible = (larger[:, :, -1] > 0) & (page[:, :, -1] > 0)
        assert np.array_equal(page[visible][:, :-1], larger[visible][:, :-1])
        tolerance = 1 if samples.dtype == np.uint8 else 8
        assert np.abs(page[:, :, -1] - lanczos(samples[:, :, -1])).max() <= tolerance


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("blending", [SOURCE, OVER])
@pytest.mark.parametrize("disposal", [KEEP, CLEAR, PREVIOUS])
async def test_frames_are_composed(
    decoder: Decoder, disposal: int, blending: int, channels: int, depth: int
) -> None:
    frames = some_frames(channels, depth, disposal, blending)

    found = read_apng(await upscaled(decoder, file_of(chunks_of_apng(*frames))))

    assert_frames(found, composed(frames, SIZE))


@pytest.mark.parametrize("is_transparent", [False, True])
async def test_a_palette_belongs_to_all_frames(decoder: Decoder, is_transparent: bool) -> None:
    indices = [np.random.default_rng(n).integers(0, 8, (13, 20, 1), np.uint8) for n in range(3)]
    small = np.random.default_rng(9).integers(0, 8, (5, 6, 1), np.uint8)
    stored = [*(Frame(each) for each in indices), Frame(small, (7, 3), blending=OVER)]
    alpha = np.array([0, 80, 255, 255, 255, 255, 255, 255], np.uint8) if is_transparent else None
    chunks = chunks_of_apng(*stored, palette=PALETTE.tobytes())
    if alpha is not None:
        chunks.insert(3, (b"tRNS", alpha.tobytes()))

    found = read_apng(await upscaled(decoder, file_of(chunks)))

    table = PALETTE if alpha is None else np.concatenate([PALETTE, alpha[:, np.newaxis]], axis=1)
    frames = [Frame(table[each.samples[:, :, 0]], each.at, each.disposal, each.blending) for each in stored]
    assert_frames(found, composed(frames, SIZE))


@pytest.mark.parametrize("depth", [8, 16])
async def test_a_transparent_colour_belongs_to_all_frames(decoder: Decoder, depth: int) -> None:
    one, two = noise(*SIZE, 3, depth), noise(*SIZE, 3, depth)[::-1]
    one[2:5], two[6:] = 7, 7
    chunks = chunks_of_apng(Frame(one), Frame(two, blending=OVER))
    chunks.insert(2, (b"tRNS", struct.pack(">HHH", 7, 7, 7)))

    found = read_apng(await upscaled(decoder, file_of(chunks)))

    def with_alpha(samples: Pixels) -> Pixels:
        alpha = np.where((samples == 7).all(axis=2), 0, np.iinfo(samples.dtype).max).astype(samples.dtype)
        return np.dstack([samples, alpha])

    assert_frames(found, composed([Frame(with_alpha(one)), Frame(with_alpha(two), blending=OVER)], SIZE))


DELAYS = [(1, 10), (0, 100), (1, 30), (1001, 60000), (7, 0), (65535, 1), (1, 65535), (33, 1000)]


@pytest.mark.parametrize("plays", [0, 1, 5, 70_000])
async def test_times_and_loops_stay(decoder: Decoder, plays: int) -> None:
    frames = [Frame(noise(*SIZE, 3) + np.uint8(n), delay=delay) for n, delay in enumerate(DELAYS)]

    found = read_apng(await upscaled(decoder, file_of(chunks_of_apng(*frames, plays=plays))))

    assert found.plays == plays
    assert found.delays == [Fraction(numerator, denominator or 100) for numerator, denominator in DELAYS]


async def test_a_still_picture_that_is_no_frame_stays_one(decoder: Decoder) -> None:
    hidden, frames = noise(*SIZE, 3), some_frames(3)[1:]

    found = read_apng(await upscaled(decoder, file_of(chunks_of_apng(*frames, hidden=hidden))))

    assert found.is_still_hidden
    assert np.array_equal(found.still[:, :, :3], repeated(hidden))
    assert_frames(found, composed(frames, SIZE))


async def test_one_frame_that_is_not_the_still_picture_stays_an_animation(decoder: Decoder) -> None:
    hidden, frames = noise(*SIZE, 4), some_frames(4)[:1]

    found = read_apng(await upscaled(decoder, file_of(chunks_of_apng(*frames, hidden=hidden))))

    assert found.is_still_hidden
    assert_frames(found, composed(frames, SIZE))


async def test_one_frame_is_a_still_picture(decoder: Decoder) -> None:
    samples = noise(*SIZE, 3)

    result = await upscaled(decoder, file_of(chunks_of_apng(Frame(samples))))

    assert b"acTL" not in result
    assert np.array_equal(read(result), repeated(samples))


async def test_equal_frames_stay_frames(decoder: Decoder) -> None:
    frame = Frame(noise(*SIZE, 3))

    found = read_apng(await upscaled(decoder, file_of(chunks_of_apng(frame, frame, frame))))

    assert len(found.frames) == 3
    assert np.array_equal(found.frames[0], found.frames[2])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("depth", [8, 16])
async def test_the_orientation_is_applied_to_composed_frames(
    decoder: Decoder, orientation: int, depth: int
) -> None:
    frames = some_frames(3, depth)
    exif = with_orientation(orientation).tobytes().removeprefix(b"Exif\0\0")
    chunks = chunks_of_apng(*frames, before=[(b"eXIf", exif)])

    animation = await decoded(decoder, file_of(chunks))

    turns = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    assert TO_STORED[orientation] is not None or orientation == 1
    expected = [np.rot90(each, turns) for each in composed(frames, SIZE)]
    for frame, samples in zip(animation.frames, expected, strict=True):
        assert np.array_equal(frame.pixels, samples[:, :, :3])


async def test_profile_and_resolution_stay(decoder: Decoder) -> None:
    profile: bytes = pyvips.Image.profile_load("srgb")
    about: Chunks = [
        (b"iCCP", b"p\0\0" + zlib.compress(profile)),
        (b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
    ]

    found = read_apng(await upscaled(decoder, file_of(chunks_of_apng(*some_frames(3), before=about))))

    chunks = dict(found.chunks)
    assert zlib.decompress(chunks[b"iCCP"].split(b"\0", 2)[2]) == profile
    assert struct.unpack(">IIB", chunks[b"pHYs"]) == (11811, 11811, 1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
async def test_it_becomes_an_animated_webp(decoder: Decoder, channels: int, depth: int) -> None:
    frames = some_frames(channels, depth)

    result = await upscaled(decoder, file_of(chunks_of_apng(*frames, plays=3)), "WEBP")

    image: Any = pyvips.Image.new_from_buffer(result, "", n=-1)
    assert (image.get("n-pages"), image.get("loop"), image.get("delay")) == (5, 3, [100] * 5)
    last = composed(frames, SIZE)[-1]
    eight = last if depth == 8 else ((last.astype(np.uint32) + 128) // 257).astype(np.uint8)
    page = image.numpy()[-2 * SIZE[1] :]
    larger = repeated(np.repeat(eight[:, :, :1], 3, axis=2) if channels < 3 else eight[:, :, :3])
    visible = repeated(eight)[:, :, -1] == 255
    visible &= page[:, :, -1] == 255 if page.shape[2] == 4 else True
    assert np.array_equal(page[visible][:, :3], larger[visible])


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF", "AVIF"])
async def test_other_formats_get_the_still_picture(decoder: Decoder, file_format: Format) -> None:
    hidden = noise(*SIZE, 3)

    result = await upscaled(decoder, file_of(chunks_of_apng(*some_frames(3), hidden=hidden)), file_format)

    if file_format == "TIFF":
        assert np.array_equal(read(result), repeated(hidden))
    else:
        assert read(result).shape == (26, 40, 3)


async def test_a_border_surrounds_each_frame(decoder: Decoder) -> None:
    frames = some_frames(3)
    original = await decoded(decoder, file_of(chunks_of_apng(*frames)))
    spec = RenderSpec((40, 40), "PNG", FAITHFUL.networks, TILING, fit="contain")

    found = read_apng(await render(original, spec, nearest))

    for page, samples in zip(found.frames, composed(frames, SIZE), strict=True):
        assert not page[:7, :, 3].any()
        assert np.array_equal(page[7:33, :, :3], repeated(samples)[:, :, :3])


async def test_metadata_is_kept_if_requested(decoder: Decoder) -> None:
    exif = with_orientation(1)
    exif[0x013B] = "Jane"
    data = file_of(
        chunks_of_apng(*some_frames(3), before=[(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))])
    )

    assert b"Jane" in await upscaled(decoder, data, keeps_metadata=True)
    assert b"Jane" not in await upscaled(decoder, data)
