"""Every kind of WebP is upscaled. Files are written and read back by libvips."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image

from inference.decoding.pool import Decoder
from inference.picture import Pixels
from tests.contract.bad_files import riff
from tests.inference.golden import assert_upscaled, noise, psnr, read, repeated, slopes, upscaled
from tests.inference.pictures import decode_animation
from tests.pixels import encoded

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


def a_frame(samples: Pixels, at: tuple[int, int], flags: int = 0) -> tuple[bytes, bytes]:
    """Return a frame of even coordinates. Flags: 1 clears its area afterwards, 2 replaces what is below."""
    height, width = samples.shape[:2]
    numbers = (at[0] // 2, at[1] // 2, width - 1, height - 1, 80)
    header = b"".join(number.to_bytes(3, "little") for number in numbers)
    return b"ANMF", header + bytes([flags]) + encoded(
        Image.fromarray(samples), "WEBP", lossless=True, exact=True
    )[12:]


async def test_frames_are_composed_as_their_flags_say(decoder: Decoder) -> None:
    """A frame is blended unless it replaces (RFC 9649, 2.7.1.1). The background has no colour."""
    whole, small = noise(20, 14, 4), noise(8, 6, 4)
    whole[:, :, 3], small[:, :, 3] = 255, 255
    small[:3, :, 3] = 0
    blended, replaced, cleared, first = (np.copy(whole), np.copy(whole), np.copy(whole), np.zeros_like(whole))
    blended[5:8, 4:12] = small[3:]
    replaced[2:8, 4:12] = first[2:8, 4:12] = small
    cleared[2:8, 4:12] = 0
    cleared[12:14, 18:20] = whole[:2, :2]
    size = (19).to_bytes(3, "little") + (13).to_bytes(3, "little")

    def animation(*frames: tuple[bytes, bytes]) -> bytes:
        return riff((b"VP8X", b"\x12\0\0\0" + size), (b"ANIM", b"\x10\x20\x30\xff\0\0"), *frames)

    for data, expected in (
        (animation(a_frame(whole, (0, 0)), a_frame(small, (4, 2))), [whole, blended]),
        (
            animation(
                a_frame(whole, (0, 0)), a_frame(small, (4, 2), 3), a_frame(whole[:2, :2].copy(), (18, 12))
            ),
            [whole, replaced, cleared],
        ),
        (animation(a_frame(small, (4, 2)), a_frame(whole, (0, 0))), [first, whole]),
    ):
        frames = (await decode_animation(decoder, data)).frames
        for frame, samples in zip(frames, expected, strict=True):
            visible = samples[:, :, 3] > 0
            assert np.array_equal(frame.pixels[visible], samples[visible][:, :3])
            assert frame.alpha is None or np.array_equal(frame.alpha, samples[:, :, 3])


@pytest.mark.parametrize("is_lossless", [True, False])
async def test_an_animation_is_compressed_like_its_original(decoder: Decoder, is_lossless: bool) -> None:
    frames = [noise(*SIZE, 3), noise(*SIZE, 3)[::-1]]

    result = await upscaled(decoder, a_webp(*frames, lossless=is_lossless), "WEBP")

    assert (b"VP8L" in result, b"VP8 " in result) == (is_lossless, not is_lossless)
