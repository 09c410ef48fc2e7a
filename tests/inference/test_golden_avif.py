"""Every kind of AVIF is upscaled. Files are written by libavif or libvips, and read by the other."""

import io
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from imagefile import heif
from inference.decoding.pool import Decoder
from inference.picture import Pixels
from tests.inference.golden import noise, psnr, repeated, slopes, upscaled
from tests.inference.pictures import decode_still
from tests.inference.test_decoders import TO_STORED, with_orientation

SIZE = (61, 43)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def an_avif(samples: Pixels, **options: object) -> bytes:
    """Return samples of 8 bits as a file of libavif."""
    out = io.BytesIO()
    image = Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
    image.save(out, "AVIF", **{"quality": 98, "subsampling": "4:4:4"} | options)
    return out.getvalue()


def a_deep_avif(samples: Pixels, bits: int) -> bytes:
    image = pyvips.Image.new_from_array(samples, interpretation="rgb16")
    return image.heifsave_buffer(compression="av1", bitdepth=bits, Q=98, subsample_mode="off")


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("channels", [3, 4])
async def test_an_avif_stays_one(decoder: Decoder, channels: int) -> None:
    samples = slopes(*SIZE, channels)

    result = opened(await upscaled(decoder, an_avif(samples), "AVIF", quality=98))

    assert result.mode == ("RGBA" if channels == 4 else "RGB")
    assert psnr(np.asarray(result), repeated(samples)) > 33


@pytest.mark.parametrize("channels", [2, 4])
async def test_colours_multiplied_by_alpha_are_divided_by_it(decoder: Decoder, channels: int) -> None:
    samples = slopes(*SIZE, channels)
    samples[:, :, -1] |= 0x40
    subsampling = "4:4:4" if channels == 4 else "4:0:0"

    data = an_avif(samples, alpha_premultiplied=True, quality=100, subsampling=subsampling)
    picture = await decode_still(decoder, data)

    assert psnr(picture.pixels, samples[:, :, :-1]) > 38


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (64, 64)])
async def test_an_avif_may_have_any_size(decoder: Decoder, size: tuple[int, int]) -> None:
    samples = slopes(*size, 3)

    result = opened(await upscaled(decoder, an_avif(samples), "AVIF", quality=98))

    assert result.size == (size[0] * 2, size[1] * 2)
    assert psnr(np.asarray(result), repeated(samples)) > 33


async def test_grey_is_read_as_grey(decoder: Decoder) -> None:
    samples = slopes(*SIZE, 1)

    picture = await decode_still(decoder, an_avif(samples, subsampling="4:0:0"))

    assert picture.is_grey
    assert psnr(picture.pixels, samples) > 45


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [3, 4])
async def test_the_bits_of_a_sample_stay(decoder: Decoder, bits: int, channels: int) -> None:
    samples = slopes(*SIZE, channels, 16)
    data = a_deep_avif(samples, bits)

    picture = await decode_still(decoder, data)
    result = await upscaled(decoder, data, "AVIF", quality=98)

    assert (picture.depth, picture.bits) == (16, bits)
    assert psnr(picture.pixels, np.ascontiguousarray(samples[:, :, :3])) > 50
    assert heif.summarise(result).depth == bits
    assert psnr(np.asarray(opened(result)), repeated(slopes(*SIZE, channels))) > 33


async def test_white_of_10_bits_is_white(decoder: Decoder) -> None:
    white = np.full((16, 16, 3), 65535, np.uint16)

    picture = await decode_still(decoder, a_deep_avif(white, 10))

    assert picture.pixels.min() == 65535


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_the_orientation_is_applied_once(decoder: Decoder, orientation: int) -> None:
    """Pillow writes it as boxes, and also as EXIF data."""
    upright = Image.fromarray(slopes(*SIZE, 3))
    to_stored = TO_STORED[orientation]
    stored = upright if to_stored is None else upright.transpose(to_stored)

    picture = await decode_still(decoder, an_avif(np.asarray(stored), exif=with_orientation(orientation)))

    assert picture.size == SIZE
    assert psnr(picture.pixels, slopes(*SIZE, 3)) > 40


async def test_profile_and_metadata_are_kept(decoder: Decoder) -> None:
    exif = Image.Exif()
    exif[0x013B] = "Jane"
    data = an_avif(slopes(*SIZE, 3), icc_profile=SRGB, exif=exif)

    result = opened(await upscaled(decoder, data, "AVIF", keeps_metadata=True))

    assert result.info["icc_profile"] == SRGB
    assert result.getexif()[0x013B] == "Jane"


async def test_colours_named_by_numbers_get_a_profile(decoder: Decoder) -> None:
    data = an_avif(slopes(*SIZE, 3)).replace(b"nclx\0\1\0\r", b"nclx\0\x0c\0\r")

    assert (await decode_still(decoder, data)).icc


async def test_other_formats_become_avif(decoder: Decoder) -> None:
    samples = noise(20, 10, 3)
    out = io.BytesIO()
    Image.fromarray(samples).save(out, "PNG")

    result = opened(await upscaled(decoder, out.getvalue(), "AVIF", quality=100))

    assert psnr(np.asarray(result), repeated(samples)) > 30
