"""A colour profile is kept if it fits the pixels, and CMYK is converted by its own profile."""

import io
import struct
from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import Image, ImageCms

from inference.decoding.pool import Decoder
from inference.decoding.protocol import ICC_BYTES
from tests.inference.pictures import decode_still

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RED_CMYK = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
GREEN = Image.new("RGB", (16, 16), "green")


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def file_of(image: Image.Image, file_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def grey_cmyk_profile() -> bytes:
    """Return a CMYK profile that turns every colour into the same grey, which shows that it is used."""
    lab = bytes((128, 128, 128)) * 16
    linear = bytes(range(256))
    matrix = struct.pack(">9I", *(65536 if index % 4 == 0 else 0 for index in range(9)))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + linear * 4 + lab + linear * 3
    tags = struct.pack(">I4sII", 1, b"A2B0", 144, len(table))
    white = struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    header = struct.pack(">II4s4s4s4s", 144 + len(table), 0, b"\x02\x40\0\0", b"prtr", b"CMYK", b"Lab ")
    return header.ljust(36, b"\0") + b"acsp".ljust(32, b"\0") + white.ljust(60, b"\0") + tags + table


async def test_a_profile_is_kept_only_if_it_fits_the_pixels(decoder: Decoder) -> None:
    grey_profile = SRGB[:16] + b"GRAY" + SRGB[20:]

    colour = await decode_still(decoder, file_of(GREEN, "JPEG", icc_profile=SRGB))
    grey = await decode_still(decoder, file_of(GREEN.convert("L"), "JPEG", icc_profile=grey_profile))
    mistaken = await decode_still(decoder, file_of(GREEN.convert("L"), "JPEG", icc_profile=SRGB))

    assert colour.icc == SRGB
    assert grey.icc == grey_profile
    assert mistaken.icc is None


@pytest.mark.parametrize("profile", [b"nonsense" * 30, SRGB + bytes(ICC_BYTES)])
async def test_an_invalid_or_too_large_profile_is_dropped(decoder: Decoder, profile: bytes) -> None:
    picture = await decode_still(decoder, file_of(GREEN, "TIFF", icc_profile=profile))

    assert picture.icc is None


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
async def test_cmyk_without_a_profile_becomes_rgb(decoder: Decoder, file_format: str) -> None:
    picture = await decode_still(decoder, file_of(RED_CMYK, file_format))

    assert np.abs(picture.pixels - np.array([255, 0, 0])).max() <= 2


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
async def test_cmyk_is_converted_by_its_profile(decoder: Decoder, file_format: str) -> None:
    picture = await decode_still(decoder, file_of(RED_CMYK, file_format, icc_profile=grey_cmyk_profile()))

    assert np.ptp(picture.pixels[0, 0]) <= 2
    assert 110 < picture.pixels.mean() < 130
    assert picture.icc is None


async def test_cmyk_with_a_broken_profile_becomes_rgb_without_it(decoder: Decoder) -> None:
    picture = await decode_still(decoder, file_of(RED_CMYK, "JPEG", icc_profile=grey_cmyk_profile()[:200]))

    assert np.abs(picture.pixels - np.array([255, 0, 0])).max() <= 2
