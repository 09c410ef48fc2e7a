"""Every kind of JPEG XL is upscaled. Files are read by another binding of libjxl (imagecodecs)."""

import io
from collections.abc import AsyncIterator
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from imagefile import jxl as boxes
from inference.decoding.pool import Decoder
from inference.errors import Undecodable
from inference.picture import Pixels
from tests.inference.golden import noise, psnr, repeated, slopes, upscaled
from tests.inference.pictures import decode_still
from tests.inference.test_decoders import TO_STORED, with_orientation
from tests.jxl_files import contained, jxl

SIZE = (61, 43)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3, LINEAR = {"primaries": 11}, {"transfer": 8}


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def see_through(samples: Pixels) -> Pixels:
    """Return the samples with an even alpha, because alpha is resampled smoothly."""
    if samples.shape[2] in (2, 4):
        samples[:, :, -1] = samples[:, :, -1].max() // 3
    return samples


def read(data: bytes) -> Pixels:
    samples: Pixels = imagecodecs.jpegxl_decode(data)
    return samples.reshape(*samples.shape[:2], -1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
async def test_a_lossless_one_stays_exactly_what_it_is(decoder: Decoder, channels: int, depth: int) -> None:
    samples = see_through(noise(*SIZE, channels, depth))

    result = await upscaled(decoder, jxl(samples), "JXL")

    assert np.array_equal(read(result), repeated(samples))
    assert not boxes.is_lossy(result)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [SIZE, (1, 1), (1, 9), (9, 1), (257, 3)])
async def test_a_lossy_one_stays_lossy(decoder: Decoder, channels: int, size: tuple[int, int]) -> None:
    samples = see_through(slopes(*size, channels))

    result = await upscaled(decoder, jxl(samples, quality=95), "JXL", quality=95)

    assert psnr(read(result), repeated(samples)) > 33
    assert boxes.is_lossy(result)


async def test_a_quality_makes_a_lossless_one_lossy(decoder: Decoder) -> None:
    assert boxes.is_lossy(await upscaled(decoder, jxl(slopes(*SIZE, 3)), "JXL", quality=95))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [2, 4])
async def test_colours_multiplied_by_alpha_are_divided_by_it(
    decoder: Decoder, channels: int, depth: int
) -> None:
    samples, most = noise(*SIZE, channels, depth), 2**depth - 1
    samples[:, :, -1] |= most // 2 + 1
    stored = samples.copy()
    stored[:, :, :-1] = np.rint(samples[:, :, :-1] * (samples[:, :, -1:] / most))

    picture = await decode_still(decoder, jxl(stored, is_premultiplied=True))

    assert np.abs(picture.pixels.astype(int) - samples[:, :, :-1]).max() <= 1


@pytest.mark.parametrize("bits", [10, 12])
async def test_the_bits_of_a_sample_stay(decoder: Decoder, bits: int) -> None:
    samples = slopes(*SIZE, 3, 16)
    data = jxl(samples, bits=bits)

    picture = await decode_still(decoder, data)
    result = await upscaled(decoder, data, "JXL")

    assert (picture.depth, picture.bits) == (16, bits)
    assert boxes.read_header(result).bits == bits
    assert np.array_equal(read(result), repeated(read(data)))


@pytest.mark.parametrize("bits", [1, 5, 9, 14])
async def test_any_other_number_of_bits_becomes_8_or_16(decoder: Decoder, bits: int) -> None:
    samples = slopes(*SIZE, 3, 8 if bits < 8 else 16)

    picture = await decode_still(decoder, jxl(samples, bits=bits))
    result = await upscaled(decoder, jxl(samples, bits=bits), "AVIF")

    levels = 2**bits - 1
    most = 255 if bits < 8 else 65_535
    expected = np.rint(np.rint(samples / most * levels) / levels * most)
    assert np.abs(picture.pixels - expected).max() <= 1
    assert result[4:12] == b"ftypavif"


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_the_orientation_is_applied_once(decoder: Decoder, orientation: int) -> None:
    """The codestream holds it, and the EXIF data repeat it."""
    upright = Image.fromarray(slopes(*SIZE, 3))
    to_stored = TO_STORED[orientation]
    stored = upright if to_stored is None else upright.transpose(to_stored)
    about = with_orientation(orientation)
    about[0x011A], about[0x011B], about[0x0128] = 300.0, 150.0, 2
    exif = about.tobytes().removeprefix(b"Exif\0\0")
    data = contained(jxl(np.asarray(stored), orientation=orientation), exif=exif)

    result = await upscaled(decoder, data, "JXL")

    assert np.array_equal(read(result), repeated(slopes(*SIZE, 3)))
    assert (await decode_still(decoder, result)).dpi == ((150, 300) if orientation > 4 else (300, 150))


@pytest.mark.parametrize("parts", [0, 1, 3])
async def test_a_container_keeps_profile_metadata_and_resolution(decoder: Decoder, parts: int) -> None:
    exif = Image.Exif()
    exif[0x013B], exif[0x011A], exif[0x011B], exif[0x0128] = "Jane", 300.0, 300.0, 2
    codestream = jxl(slopes(*SIZE, 3), icc=SRGB, quality=90)
    data = contained(codestream, exif=exif.tobytes().removeprefix(b"Exif\0\0"), parts=parts)

    picture = await decode_still(decoder, data)
    result = await decode_still(decoder, await upscaled(decoder, data, "JXL", keeps_metadata=True))

    assert picture.dpi == result.dpi == (300, 300)
    assert b"Jane" in (result.exif or b"")


async def test_an_embedded_profile_is_kept_byte_by_byte(decoder: Decoder) -> None:
    profile = SRGB[:-4] + b"\1\2\3\4"  # none that libjxl could replace by numbers

    data = await upscaled(decoder, jxl(noise(*SIZE, 3), icc=profile), "PNG")

    assert Image.open(io.BytesIO(data)).info["icc_profile"] == profile


@pytest.mark.parametrize("quality", [None, 95])
@pytest.mark.parametrize(
    "colours",
    [
        P3,
        LINEAR,
        {"transfer": 1},
        {"transfer": 65_535, "gamma": 0.5},
        {"primaries": 9, "transfer": 1},
        {"primaries": 2, "red": (0.7, 0.3), "green": (0.2, 0.7), "blue": (0.15, 0.05)},
        {"white_point": 11, "primaries": 11, "transfer": 17},
    ],
)
async def test_colours_named_by_numbers_get_the_profile_that_means_them(
    decoder: Decoder, colours: dict[str, Any], quality: int | None
) -> None:
    samples = slopes(*SIZE, 3)

    picture = await decode_still(decoder, jxl(samples, colours=colours, quality=quality))

    assert picture.icc
    assert psnr(picture.pixels, samples) > 35
    assert ImageCms.getOpenProfile(io.BytesIO(picture.icc))


async def test_srgb_needs_no_profile(decoder: Decoder) -> None:
    assert (await decode_still(decoder, jxl(noise(*SIZE, 3)))).icc is None
    assert (await decode_still(decoder, jxl(noise(*SIZE, 1)))).icc is None


async def test_of_an_animation_the_first_frame_is_upscaled(decoder: Decoder) -> None:
    samples = slopes(*SIZE, 3)

    result = await upscaled(decoder, jxl(samples, frames=3), "JXL")

    assert np.array_equal(read(result), repeated(samples))


async def test_channels_beside_colour_and_alpha_are_left_out(decoder: Decoder) -> None:
    depth, thermal = 1, 6
    samples = see_through(noise(*SIZE, 4))

    assert np.array_equal(
        read(await upscaled(decoder, jxl(samples, extra=(depth, thermal)), "JXL")), repeated(samples)
    )


async def test_a_packed_jpeg_is_lossy(decoder: Decoder) -> None:
    out = io.BytesIO()
    Image.fromarray(slopes(*SIZE, 3)).save(out, "JPEG", quality=95)
    data = imagecodecs.jpegxl_encode_jpeg(out.getvalue())

    picture = await decode_still(decoder, bytes(data))

    assert not picture.is_lossless
    assert psnr(picture.pixels, np.asarray(Image.open(out))) > 45


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
async def test_a_codestream_that_is_cut_off_is_corrupt(decoder: Decoder, share: float) -> None:
    data = jxl(noise(*SIZE, 3))

    with pytest.raises(Undecodable) as caught:
        await decoder.decode(data[: int(len(data) * share)])

    assert caught.value.reason == "corrupt_image"


async def test_other_formats_become_jpeg_xl(decoder: Decoder) -> None:
    samples = noise(20, 10, 3)
    out = io.BytesIO()
    Image.fromarray(samples).save(out, "PNG")

    assert np.array_equal(read(await upscaled(decoder, out.getvalue(), "JXL")), repeated(samples))
