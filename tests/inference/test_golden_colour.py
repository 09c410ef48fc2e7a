"""Colours, alpha, orientation and profiles are kept from the original to the result."""

import io
import struct
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import png
import pytest
import pyvips
import tifffile
from PIL import ExifTags, Image, ImageCms

from inference.decoding.pool import Decoder
from inference.networks.network import Answer, Tensor
from inference.picture import Format, Pixels
from tests.inference.golden import noise, psnr, read, repeated, slopes, upscaled

SIZE = (30, 20)
FORMATS: tuple[Format, ...] = ("JPEG", "PNG", "WEBP", "TIFF")


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def file_of(samples: Pixels, file_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    best = {"JPEG": {"quality": 97, "subsampling": 0}, "WEBP": {"lossless": True, "exact": True}}
    picture = Image.fromarray(samples.squeeze())
    picture.save(out, file_format, **(best.get(file_format, {}) | options))
    return out.getvalue()


async def bicubic(name: str, tensor: Tensor) -> Answer:
    """A network that mixes neighbouring pixels, as real ones do."""
    scale = int(name.removesuffix("_float")[-1])
    size = (tensor.shape[3] * scale, tensor.shape[2] * scale)
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in tensor[0]]
    larger = np.stack([np.asarray(plane.resize(size, Image.Resampling.BICUBIC)) for plane in planes])
    if tensor.dtype == np.uint8:
        return Answer(np.rint(larger.clip(0, 255)).astype(np.uint8)[np.newaxis])
    return Answer(larger.clip(0, 1)[np.newaxis])


FIRST_SHOWN = {
    1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
    5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
}  # fmt: skip
"""The sides on which a viewer shows the first row and the first column of a file (CIPA DC-008, 4.6.4)."""


def stored(upright: Pixels, orientation: int) -> Pixels:
    row, column = FIRST_SHOWN[orientation]
    turned = upright if row in ("top", "bottom") else upright.transpose(1, 0, 2)
    turned = turned[::-1] if row in ("bottom", "right") else turned
    return np.ascontiguousarray(turned[:, ::-1] if column in ("bottom", "right") else turned)


@pytest.mark.parametrize("orientation", FIRST_SHOWN)
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("keeps_metadata", [False, True])
async def test_the_orientation_is_applied_once(
    decoder: Decoder, file_format: Format, orientation: int, keeps_metadata: bool
) -> None:
    samples, exif = slopes(*SIZE, 3), Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation

    data = file_of(stored(samples, orientation), file_format, exif=exif)
    result = await upscaled(decoder, data, file_format, keeps_metadata=keeps_metadata)

    assert psnr(read(result), repeated(samples)) > 38
    assert Image.open(io.BytesIO(result)).getexif().get(ExifTags.Base.Orientation, 1) == 1


def adobe_rgb() -> bytes:
    """Return a profile made from the published primaries of the colour space (version 2, D50)."""
    primaries = {b"rXYZ": (39987, 20401, 1275), b"gXYZ": (13456, 40984, 3991), b"bXYZ": (9778, 4151, 48767)}
    values = {name: b"XYZ \0\0\0\0" + struct.pack(">3i", *three) for name, three in primaries.items()}
    values |= {name: b"curv\0\0\0\0" + struct.pack(">IHH", 1, 563, 0) for name in (b"rTRC", b"gTRC", b"bTRC")}
    values[b"wtpt"] = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    values[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", 6) + b"Adobe\0" + bytes(81)
    table, body = struct.pack(">I", len(values)), b""
    for name, value in values.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(values) + len(body), len(value))
        body += value.ljust(-(-len(value) // 4) * 4, b"\0")
    header = struct.pack(
        ">I4xI4s4s4s12x4s", 132 + 12 * len(values) + len(body), 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp"
    )
    return header.ljust(128, b"\0") + table + body


PROFILES = {
    "Display P3": pyvips.Operation.call("profile_load", "p3"),
    "Adobe RGB": adobe_rgb(),
}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("depth", [8, 16])
async def test_a_profile_is_kept_byte_for_byte_and_pixels_are_not_converted(
    decoder: Decoder, name: str, file_format: Format, depth: int
) -> None:
    samples, profile = slopes(*SIZE, 3, depth), PROFILES[name]
    source_format = file_format if depth == 8 else "TIFF"

    data = (
        file_of(samples, source_format, icc_profile=profile)
        if depth == 8
        else sixteen_bit_tiff(samples, profile)
    )
    result = await upscaled(decoder, data, file_format)

    assert ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert pyvips.Image.new_from_buffer(result, "").get("icc-profile-data") == profile
    found = read(result)
    eight = found if found.dtype == np.uint8 else np.rint(found / 257).astype(np.uint8)
    assert psnr(eight, repeated(slopes(*SIZE, 3))) > 38


def sixteen_bit_tiff(samples: Pixels, profile: bytes) -> bytes:
    out = io.BytesIO()
    tags = [(34675, 7, len(profile), profile, True)]
    tifffile.imwrite(out, samples, photometric="rgb", metadata=None, extratags=tags)
    return out.getvalue()


def a_disc(hidden: tuple[int, int, int], depth: int) -> Pixels:
    """Return a red disc with a soft edge. The transparent pixels around it have another colour."""
    down, across = np.mgrid[0:40, 0:40] - 19.5
    opacity = (15 - np.hypot(down, across)).clip(0, 1)[:, :, np.newaxis]
    colour = np.where(opacity > 0, (255, 0, 0), hidden)
    samples = np.concatenate([colour, np.rint(opacity * 255)], axis=2).astype(np.uint16)
    return samples.astype(np.uint8) if depth == 8 else samples * np.uint16(257)


@pytest.mark.parametrize("hidden", [(0, 0, 0), (0, 255, 0), (255, 255, 255)])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("factor", [2, 3, 4])
async def test_a_hidden_colour_leaves_no_fringe_at_an_edge(
    decoder: Decoder, hidden: tuple[int, int, int], depth: int, factor: int
) -> None:
    samples = a_disc(hidden, depth)

    data = file_of(samples, "PNG") if depth == 8 else sixteen_bit_png(samples)
    result = read(await upscaled(decoder, data, "PNG", factor, bicubic))

    highest = 2**depth - 1
    visible = result[result[:, :, 3] > 0][:, :3]
    assert np.abs(visible.astype(int) - (highest, 0, 0)).max() <= highest // 255
    assert (result[20 * factor, 20 * factor, 3], result[0, 0, 3]) == (highest, 0)


def sixteen_bit_png(samples: Pixels) -> bytes:
    height, width, channels = samples.shape
    out = io.BytesIO()
    kinds: dict[str, Any] = {"greyscale": False, "alpha": channels == 4, "bitdepth": 16}
    png.Writer(width, height, **kinds).write(out, samples.reshape(height, -1).tolist())
    return out.getvalue()


@pytest.mark.parametrize("alpha", [1, 128, 254, 255])
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
async def test_alpha_that_is_the_same_everywhere_stays_exactly_the_same(
    decoder: Decoder, alpha: int, factor: int, file_format: Format
) -> None:
    samples = noise(*SIZE, 4)
    samples[:, :, 3] = alpha

    result = read(await upscaled(decoder, file_of(samples, file_format), file_format, factor, bicubic))

    assert np.unique(result[:, :, 3]).tolist() == [alpha]


async def test_opaque_pixels_stay_opaque_right_up_to_a_hole(decoder: Decoder) -> None:
    samples = noise(*SIZE, 4)
    samples[:, :, 3] = 255
    samples[:, :6, 3] = 0

    result = read(await upscaled(decoder, file_of(samples, "PNG"), "PNG", 4))

    assert (result[:, 4 * 9 :, 3] == 255).all()
    assert (result[:, : 4 * 3, 3] == 0).all()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("factor", [2, 3, 4])
async def test_grey_stays_grey(decoder: Decoder, file_format: Format, factor: int) -> None:
    samples = slopes(*SIZE, 1)

    result = read(await upscaled(decoder, file_of(samples, file_format), file_format, factor, bicubic))

    assert result.shape == (SIZE[1] * factor, SIZE[0] * factor, 1)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("factor", [2, 3, 4])
async def test_a_ramp_of_16_bits_has_more_levels_than_8_have(
    decoder: Decoder, file_format: Format, factor: int
) -> None:
    """There are more levels between two neighbours of the 2,000, and they rise in the same order."""
    ramp = np.rint(np.linspace(0, 65535, 2000)).astype(np.uint16)
    samples = np.broadcast_to(ramp[np.newaxis, :, np.newaxis], (8, 2000, 3))

    result = read(await upscaled(decoder, sixteen_bit_png(samples), file_format, factor, bicubic))

    row = result[8, 8:-8, 1].astype(int)
    assert result.dtype == np.uint16
    assert len(np.unique(row)) > 1900 * factor
    assert (np.diff(row) >= 0).all()
    assert np.abs(row - np.linspace(row[0], row[-1], len(row))).max() < 16
