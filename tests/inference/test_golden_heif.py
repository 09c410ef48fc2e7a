"""Every kind of HEIC is upscaled. The files were encoded by x265, which the service does not contain."""

import io
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from imagefile.formats import Format
from inference.decoding.pool import Decoder
from inference.errors import Undecodable
from inference.picture import Pixels
from tests.heif_files import CODED, SIZE, a_grid, heic, transformed
from tests.inference.golden import psnr, read, repeated, slopes, upscaled
from tests.inference.pictures import decode_still


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


@pytest.mark.parametrize(
    ("name", "channels", "depth", "file_format"),
    [
        ("rgb", 3, 8, "JPEG"),
        ("grey", 1, 8, "JPEG"),
        ("rgba", 4, 8, "PNG"),
        ("rgb10", 3, 16, "PNG"),
        ("rgb12", 3, 16, "PNG"),
        ("rgba12", 4, 16, "PNG"),
        ("premultiplied", 4, 8, "PNG"),
        ("premultiplied10", 4, 16, "PNG"),
        ("rgba", 4, 8, "WEBP"),
        ("rgb12", 3, 16, "TIFF"),
    ],
)
async def test_a_heic_keeps_its_channels_and_its_bits(
    decoder: Decoder, name: str, channels: int, depth: int, file_format: Format
) -> None:
    expected = repeated(slopes(*SIZE, channels, depth))

    result = read(await upscaled(decoder, heic(name), file_format, quality=98))

    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    assert psnr(result, expected) > (37 if channels == 4 else 42)


async def test_the_brightest_sample_of_10_bits_is_white(decoder: Decoder) -> None:
    """Samples fill the range: 1023 becomes 65535, and not 65472."""
    picture = await decode_still(decoder, heic("rgb10"))
    tens = picture.pixels >> 6

    assert np.array_equal(picture.pixels, tens << 6 | tens >> 4)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("axis", [0, 1])
async def test_the_rotation_and_the_mirroring_of_the_boxes_are_applied(
    decoder: Decoder, quarters: int, axis: int
) -> None:
    """The boxes turn anticlockwise, then mirror (ISO/IEC 23008-12, 6.5.10 and 6.5.12)."""

    def applied(stored: Pixels, turns: int, mirrored: int) -> Pixels:
        turned = np.rot90(stored, turns)
        return turned[::-1] if mirrored == 0 else turned[:, ::-1]

    # the file has three quarters and axis 1, and shows the gradients
    mirrored_back = slopes(*SIZE, 3)[:, ::-1]
    stored = np.rot90(mirrored_back, -3)

    picture = await decode_still(decoder, transformed(irot=quarters, imir=axis))

    assert psnr(picture.pixels, np.ascontiguousarray(applied(stored, quarters, axis))) > 45


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
async def test_the_orientation_in_exif_data_turns_nothing(decoder: Decoder, orientation: int) -> None:
    entry = b"\x01\x12\0\3\0\0\0\1\0"
    data = heic("exif")
    assert data.count(entry + b"\1") == 1

    picture = await decode_still(decoder, data.replace(entry + b"\1", entry + bytes([orientation])))

    assert psnr(picture.pixels, slopes(*SIZE, 3)) > 45
    assert picture.exif
    assert b"Jane" in picture.exif


@pytest.mark.parametrize(
    ("name", "red"), [("p3", (0.515, 0.241, -0.001)), ("bt2020", (0.673, 0.279, -0.002))]
)
async def test_colours_named_by_numbers_get_a_profile_that_names_them(
    decoder: Decoder, name: str, red: tuple[float, ...]
) -> None:
    with Image.open(io.BytesIO(await upscaled(decoder, heic(name), "JPEG"))) as result:
        profile: Any = ImageCms.ImageCmsProfile(io.BytesIO(result.info["icc_profile"])).profile

    assert profile.red_colorant
    assert profile.red_colorant[0] == pytest.approx(red, abs=0.002)
    assert profile.xcolor_space == "RGB "


async def test_an_embedded_profile_is_kept_and_srgb_needs_none(decoder: Decoder) -> None:
    assert (await decode_still(decoder, heic("icc"))).icc
    assert (await decode_still(decoder, heic("rgb"))).icc is None


@pytest.mark.parametrize("name", ["pq", "hlg"])
async def test_hdr_is_refused_by_its_name(decoder: Decoder, name: str) -> None:
    with pytest.raises(Undecodable, match="HDR pictures") as caught:
        await decoder.decode(heic(name))

    assert caught.value.reason == "unsupported_format"


async def test_tiles_become_one_picture(decoder: Decoder) -> None:
    picture = await decode_still(decoder, a_grid(2, 3, (170, 100)))

    width, height = SIZE
    assert picture.size == (170, 100)
    for row in range(2):
        for column in range(3):
            top, left = row * CODED[1], column * CODED[0]
            tile = picture.pixels[top : min(top + height, 100), left : min(left + width, 170)]
            expected = np.ascontiguousarray(slopes(*SIZE, 3)[: tile.shape[0], : tile.shape[1]])
            assert psnr(np.ascontiguousarray(tile), expected) > 45


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (a_grid(10, 10, (640, 640), tiles=99), "corrupt_image"),
        (a_grid(200, 200, (12_800, 12_800)), "corrupt_image"),
        (a_grid(1, 1, (64, 64), claimed=(20_000, 20_000)), "too_many_pixels"),
        (a_grid(1, 1, (20_000, 20_000), claimed=(20_000, 20_000)), "too_many_pixels"),
    ],
)
async def test_a_grid_that_is_wrong_or_too_large_is_refused(
    decoder: Decoder, data: bytes, reason: str
) -> None:
    with pytest.raises(Undecodable) as caught:
        await decoder.decode(data)

    assert caught.value.reason == reason
