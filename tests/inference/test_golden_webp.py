"""Every kind of WebP is upscaled. Files are written and read back by libvips."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pyvips

from inference.decoding.pool import Decoder
from inference.picture import Pixels
from tests.inference.golden import assert_upscaled, noise, psnr, read, repeated, slopes, upscaled

SIZE = (37, 29)
LOSSLESS = {"lossless": True, "exact": True}


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def a_webp(*frames: Pixels, milliseconds: int = 80, loop: int = 2, **options: Any) -> bytes:
    image = pyvips.Image.new_from_array(np.concatenate(frames))
    if len(frames) > 1:
        image = image.copy()
        image.set_type(pyvips.GValue.gint_type, "page-height", len(frames[0]))
        image.set_type(pyvips.GValue.array_int_type, "delay", [milliseconds] * len(frames))
        image.set_type(pyvips.GValue.gint_type, "loop", loop)
    return image.webpsave_buffer(**options)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("factor", [2, 4])
async def test_lossless_stays_lossless(decoder: Decoder, channels: int, factor: int) -> None:
    samples = noise(*SIZE, channels)

    result = await upscaled(decoder, a_webp(samples, **LOSSLESS), "WEBP", factor)

    assert_upscaled(result, samples, factor)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (33, 31)])
async def test_a_webp_may_have_any_size(decoder: Decoder, size: tuple[int, int]) -> None:
    samples = noise(*size, 3)

    result = await upscaled(decoder, a_webp(samples, **LOSSLESS), "WEBP")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("channels", [3, 4])
async def test_a_lossy_webp_stays_close_to_its_original(decoder: Decoder, channels: int) -> None:
    samples = slopes(61, 43, channels)

    result = read(await upscaled(decoder, a_webp(samples, Q=95), "WEBP"))

    assert psnr(result, repeated(samples)) > 35


@pytest.mark.parametrize("channels", [3, 4])
async def test_an_animation_keeps_its_frames_durations_and_loops(decoder: Decoder, channels: int) -> None:
    frames = [
        slopes(*SIZE, channels),
        np.ascontiguousarray(slopes(*SIZE, channels)[::-1]),
        slopes(*SIZE, channels),
    ]

    result = await upscaled(decoder, a_webp(*frames, **LOSSLESS), "WEBP", quality=95)

    image = pyvips.Image.new_from_buffer(result, "", n=-1)
    assert (image.get("delay"), image.get("loop")) == ([80, 80, 80], 2)
    assert image.get("page-height") == 2 * SIZE[1]
    assert psnr(image.numpy()[:, :, :3], np.concatenate([repeated(frame) for frame in frames])[:, :, :3]) > 33


@pytest.mark.parametrize("is_lossless", [True, False])
async def test_an_animation_is_compressed_like_its_original(decoder: Decoder, is_lossless: bool) -> None:
    frames = [noise(*SIZE, 3), noise(*SIZE, 3)[::-1]]

    result = await upscaled(decoder, a_webp(*frames, lossless=is_lossless), "WEBP")

    assert (b"VP8L" in result, b"VP8 " in result) == (is_lossless, not is_lossless)
