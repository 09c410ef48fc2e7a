"""Every kind of PNG is upscaled exactly. Files are written by pypng or by hand, and read back by pypng."""

import io
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import png
import pytest

from inference.decoding.pool import Decoder
from inference.picture import Pixels
from tests.inference.golden import assert_upscaled, noise, upscaled

SIZES = [(1, 1), (1, 9), (9, 1), (2, 3), (7, 5), (8, 8), (33, 31), (130, 70)]
SIZE = (37, 29)


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def a_png(samples: Pixels, depth: int, **options: Any) -> bytes:
    """Write a PNG by pypng. With a palette, `samples` are indices."""
    height, width, channels = samples.shape
    kinds = {"greyscale": channels < 3, "alpha": channels in (2, 4)}
    if "palette" in options:
        kinds = {}
    out = io.BytesIO()
    writer = png.Writer(width, height, bitdepth=depth, **kinds, **options)
    writer.write(out, samples.reshape(height, -1).tolist())
    return out.getvalue()


def levels(width: int, height: int, depth: int) -> Pixels:
    return np.random.default_rng(depth).integers(0, 2**depth, (height, width, 1), np.uint8)


def fill_range(samples: Pixels, depth: int) -> Pixels:
    """Return samples of fewer bits than 8, spread over the range of 8."""
    return samples * np.uint8(255 // (2**depth - 1))


def with_alpha(colour: Pixels, alpha: Pixels) -> Pixels:
    return np.concatenate([colour, alpha.astype(colour.dtype)], axis=2)


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
async def test_samples_of_8_and_16_bits_are_kept(
    decoder: Decoder, channels: int, depth: int, interlace: bool
) -> None:
    samples = noise(*SIZE, channels, depth)

    result = await upscaled(decoder, a_png(samples, depth, interlace=interlace), "PNG")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4])
async def test_grey_of_few_bits_fills_the_range_of_8(decoder: Decoder, depth: int, interlace: bool) -> None:
    samples = levels(*SIZE, depth)

    result = await upscaled(decoder, a_png(samples, depth, interlace=interlace), "PNG")

    assert_upscaled(result, fill_range(samples, depth))


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("is_transparent", [False, True])
async def test_a_palette_becomes_its_colours(
    decoder: Decoder, depth: int, interlace: bool, is_transparent: bool
) -> None:
    palette = np.random.default_rng(depth).integers(1, 256, (2**depth, 3 + is_transparent), np.uint8)
    indices = levels(*SIZE, depth)
    entries = [tuple(int(part) for part in entry) for entry in palette]

    result = await upscaled(decoder, a_png(indices, depth, palette=entries, interlace=interlace), "PNG")

    assert_upscaled(result, palette[indices[:, :, 0]])


async def test_a_palette_may_be_short_and_partly_transparent(decoder: Decoder) -> None:
    palette = [(10, 20, 30, 0), (200, 100, 50, 128), (1, 2, 3)]
    indices = levels(*SIZE, 8) % np.uint8(3)

    result = await upscaled(decoder, a_png(indices, 8, palette=palette), "PNG")

    full = np.array([(*entry, 255)[:4] for entry in palette], np.uint8)
    assert_upscaled(result, full[indices[:, :, 0]])


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
async def test_a_grey_sample_may_be_declared_transparent(
    decoder: Decoder, depth: int, interlace: bool
) -> None:
    samples = noise(*SIZE, 1, 16) if depth == 16 else levels(*SIZE, depth)
    hidden = int(samples[3, 4, 0])

    data = a_png(samples, depth, transparent=hidden, interlace=interlace)
    result = await upscaled(decoder, data, "PNG")

    colour = samples if depth == 16 else fill_range(samples, depth)
    opacity = np.where(samples == hidden, 0, np.iinfo(colour.dtype).max)
    assert_upscaled(result, with_alpha(colour, opacity))


def with_transparency(data: bytes, body: bytes) -> bytes:
    start = data.index(b"IDAT") - 4
    return data[:start] + chunk(b"tRNS", body) + data[start:]


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
async def test_of_a_transparent_sample_only_the_bits_of_the_depth_count(decoder: Decoder, depth: int) -> None:
    samples = levels(*SIZE, depth)
    hidden = int(samples[3, 4, 0])

    data = with_transparency(a_png(samples, depth), struct.pack(">H", 0xFFFF << depth & 0xFFFF | hidden))
    result = await upscaled(decoder, data, "PNG")

    assert_upscaled(result, with_alpha(fill_range(samples, depth), np.where(samples == hidden, 0, 255)))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(("channels", "length"), [(1, 1), (1, 6), (3, 2), (3, 5), (2, 2), (4, 6)])
async def test_transparency_of_a_wrong_length_or_beside_alpha_is_ignored(
    decoder: Decoder, channels: int, length: int, depth: int
) -> None:
    samples = noise(*SIZE, channels, depth)

    result = await upscaled(decoder, with_transparency(a_png(samples, depth), bytes(length)), "PNG")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("depth", [8, 16])
async def test_a_colour_may_be_declared_transparent(decoder: Decoder, depth: int) -> None:
    samples = noise(*SIZE, 3, depth)
    samples[5:9, 7:20] = hidden = samples[0, 0].copy()

    data = a_png(samples, depth, transparent=tuple(int(part) for part in hidden))
    result = await upscaled(decoder, data, "PNG")

    is_hidden = (samples == hidden).all(axis=2, keepdims=True)
    assert_upscaled(result, with_alpha(samples, np.where(is_hidden, 0, np.iinfo(samples.dtype).max)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize(("channels", "depth"), [(1, 1), (1, 4), (3, 8), (4, 16)])
async def test_a_png_may_have_any_size(
    decoder: Decoder, size: tuple[int, int], channels: int, depth: int, interlace: bool
) -> None:
    """Adam7 omits passes that would be empty."""
    samples = levels(*size, depth) if depth < 8 else noise(*size, channels, depth)

    result = await upscaled(decoder, a_png(samples, depth, interlace=interlace), "PNG")

    assert_upscaled(result, fill_range(samples, depth) if depth < 8 else samples)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def filtered(samples: Pixels) -> Iterator[bytes]:
    """Yield rows of bytes with each of the five filters in turn (ISO/IEC 15948, 9.2)."""
    height, width, channels = samples.shape
    rows = samples.reshape(height, width * channels).astype(int)
    above = np.zeros(width * channels, int)
    for number, row in enumerate(rows):
        left, corner = (np.concatenate([np.zeros(channels, int), each[:-channels]]) for each in (row, above))
        estimate = left + above - corner
        distances = np.abs(np.stack([left, above, corner]) - estimate)
        paeth = np.choose(distances.argmin(axis=0), [left, above, corner])
        guess = [np.zeros_like(row), left, above, (left + above) // 2, paeth][number % 5]
        yield bytes((number % 5,)) + ((row - guess) % 256).astype(np.uint8).tobytes()
        above = row


async def test_all_filters_and_short_chunks_of_pixels_are_read(decoder: Decoder) -> None:
    samples = noise(*SIZE, 3)
    deflated = zlib.compress(b"".join(filtered(samples)))
    pieces = [chunk(b"IDAT", deflated[at : at + 90]) for at in range(0, len(deflated), 90)]
    header = struct.pack(">IIBBBBB", *SIZE, 8, 2, 0, 0, 0)
    others = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"bKGD", struct.pack(">3H", 1, 2, 3))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + others + b"".join(pieces) + chunk(b"IEND", b"")

    result = await upscaled(decoder, data, "PNG")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
async def test_a_png_may_become_a_tiff(decoder: Decoder, factor: int, channels: int) -> None:
    samples = noise(*SIZE, channels, 16)

    result = await upscaled(decoder, a_png(samples, 16), "TIFF", factor)

    assert_upscaled(result, samples, factor)
