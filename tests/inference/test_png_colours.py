"""The chunks of a PNG that say what its samples mean: results show the same colours as their originals."""

import io
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import png
import pytest
from PIL import Image, ImageCms

from common import errors
from imagefile.colours import HDR
from imagefile.png import chunk_of
from images.formats.sniff import sniff
from inference.decoding.pool import Decoder
from inference.errors import Undecodable
from inference.picture import Picture
from tests.inference.golden import noise, upscaled
from tests.inference.pictures import decode_still

SRGB_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3_POINTS = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SRGB = chunk_of(b"sRGB", b"\0")
ICCP = chunk_of(b"iCCP", b"icc\0\0" + zlib.compress(SRGB_PROFILE))
P3_TO_SRGB = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def gamma(value: int) -> bytes:
    return chunk_of(b"gAMA", struct.pack(">I", value))


def points(*values: float) -> bytes:
    return chunk_of(b"cHRM", struct.pack(">8I", *(round(each * 100_000) for each in values)))


def numbers(primaries: int, transfer: int, matrix: int = 0, full: int = 1) -> bytes:
    return chunk_of(b"cICP", bytes([primaries, transfer, matrix, full]))


def a_png(*chunks: bytes, kind: str = "RGB", samples: Any = None) -> bytes:
    """Return a PNG with these chunks behind its header. `kind` is RGB, RGBA, L, LA, P, or one with `;16`."""
    mode, _, deep = kind.partition(";")
    out = io.BytesIO()
    if mode == "P":
        Image.fromarray(noise(9, 7, 3)).quantize(16).save(out, "PNG")
    else:
        samples = noise(9, 7, len(mode), 16 if deep else 8) if samples is None else samples
        channels = samples.shape[2]
        writer = png.Writer(
            samples.shape[1],
            samples.shape[0],
            greyscale=channels < 3,
            alpha=channels in (2, 4),
            bitdepth=16 if deep else 8,
        )
        writer.write(out, samples.reshape(samples.shape[0], -1))
    data = out.getvalue()
    return data[:33] + b"".join(chunks) + data[33:]


def shown(picture: Picture) -> Any:
    """Return the colours of the first pixel in sRGB, as LittleCMS finds them by the picture's profile."""
    image = Image.fromarray(picture.pixels[:1, :1])
    if picture.icc:
        image = ImageCms.profileToProfile(
            image, io.BytesIO(picture.icc), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    assert image
    return np.asarray(image.convert("RGB"))[0, 0].astype(int)


def srgb_curve(light: Any) -> Any:
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


COLOUR = np.array([200, 120, 40])
LIGHT = COLOUR / 255


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([gamma(100_000)], srgb_curve(LIGHT)),
        ([gamma(55_556)], srgb_curve(LIGHT**1.8)),
        ([gamma(30_000)], srgb_curve(LIGHT ** (1 / 0.3))),
        ([gamma(100_000), points(*SRGB_POINTS)], srgb_curve(LIGHT)),
        ([gamma(45_455), points(*P3_POINTS)], srgb_curve(P3_TO_SRGB @ LIGHT**2.2)),
        ([points(*P3_POINTS)], srgb_curve(P3_TO_SRGB @ LIGHT**2.25)),
        ([numbers(12, 13)], srgb_curve(P3_TO_SRGB @ LIGHT**2.25)),
        ([numbers(1, 8)], srgb_curve(LIGHT)),
        ([numbers(12, 8)], srgb_curve(P3_TO_SRGB @ LIGHT)),
        ([numbers(12, 13), ICCP, SRGB, gamma(100_000)], srgb_curve(P3_TO_SRGB @ LIGHT**2.25)),
        ([numbers(1, 13), gamma(100_000)], COLOUR),
        ([ICCP, gamma(100_000)], COLOUR),
        ([SRGB, gamma(100_000), points(*P3_POINTS)], COLOUR),
    ],
)
async def test_the_colours_are_those_that_the_chunks_mean(
    decoder: Decoder, chunks: list[bytes], expected: Any
) -> None:
    samples = np.tile(COLOUR.astype(np.uint8), (7, 9, 1))

    picture = await decode_still(decoder, a_png(*chunks, samples=samples))

    assert np.array_equal(picture.pixels[0, 0], COLOUR)
    assert np.abs(shown(picture) - expected).max() < 4


@pytest.mark.parametrize("kind", ["L", "LA"])
async def test_grey_gets_a_profile_for_grey(decoder: Decoder, kind: str) -> None:
    samples = np.full((7, 9, len(kind)), 120, np.uint8)

    picture = await decode_still(decoder, a_png(gamma(100_000), kind=kind, samples=samples))

    assert picture.icc
    assert picture.icc[16:20] == b"GRAY"
    grey = Image.fromarray(picture.pixels[:1, :1, 0])
    srgb = ImageCms.profileToProfile(
        grey, io.BytesIO(picture.icc), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert srgb
    assert np.abs(np.asarray(srgb)[0, 0] - srgb_curve(120 / 255)).max() < 4


@pytest.mark.parametrize("kind", ["L", "LA", "RGB", "RGBA", "P", "L;16", "LA;16", "RGB;16", "RGBA;16"])
@pytest.mark.parametrize("chunks", [[gamma(100_000)], [numbers(12, 8)]])
async def test_every_kind_of_png_keeps_its_meaning(decoder: Decoder, kind: str, chunks: list[bytes]) -> None:
    result = await upscaled(decoder, a_png(*chunks, kind=kind), "PNG")

    icc = Image.open(io.BytesIO(result)).info["icc_profile"]
    assert icc[16:20] == (b"GRAY" if kind.startswith("L") else b"RGB ")
    assert ImageCms.getOpenProfile(io.BytesIO(icc))


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [gamma(45_455)],
        [gamma(45_455), points(*SRGB_POINTS)],
        [gamma(45_000)],
        [points(*SRGB_POINTS)],
        [SRGB],
        [numbers(1, 13)],
        [numbers(1, 1)],
        [gamma(0)],
        [gamma(1)],
        [gamma(2**32 - 1)],
        [gamma(0), points(*SRGB_POINTS)],
        [points(*(0,) * 8)],
        [points(0.3127, 0, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)],
        [points(0.3127, 0.329, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)],
        [points(0.3127, 0.329, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3)],
        [points(0.8, 0.1, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)],
        [points(*(40_000,) * 8)],
        [numbers(12, 13, matrix=5)],
        [numbers(12, 99)],
        [numbers(200, 13)],
        [chunk_of(b"cICP", b"\x0c\x0d\0")],
        [chunk_of(b"gAMA", b"\0")],
    ],
)
@pytest.mark.parametrize("kind", ["RGB", "L", "RGB;16"])
async def test_the_usual_and_broken_values_change_nothing(
    decoder: Decoder, chunks: list[bytes], kind: str
) -> None:
    assert (await decode_still(decoder, a_png(*chunks, kind=kind))).icc is None


async def test_a_broken_chromaticity_does_not_hide_the_gamma(decoder: Decoder) -> None:
    data = a_png(gamma(100_000), points(*(0,) * 8), samples=np.tile(COLOUR.astype(np.uint8), (7, 9, 1)))

    assert np.abs(shown(await decode_still(decoder, data)) - srgb_curve(LIGHT)).max() < 4


def hdr_profile(transfer: int) -> bytes:
    """Return a profile whose only tag says that it is HDR."""
    start, tag = 128 + 4 + 12, b"cicp\0\0\0\0" + bytes([9, transfer, 0, 1])
    directory = struct.pack(">I4sII", 1, b"cicp", start, len(tag))
    return struct.pack(">I", start + len(tag)) + SRGB_PROFILE[4:128] + directory + tag


@pytest.mark.parametrize("kind", ["RGB", "L", "RGB;16"])
@pytest.mark.parametrize(
    "chunks",
    [
        [numbers(9, 16)],
        [numbers(9, 18)],
        [numbers(9, 16), ICCP],
        [chunk_of(b"iCCP", b"ITUR_2100_PQ_FULL\0\0" + zlib.compress(SRGB_PROFILE))],
        [chunk_of(b"iCCP", b"Rec2100\0\0" + zlib.compress(hdr_profile(16)))],
        [chunk_of(b"iCCP", b"Rec2100\0\0" + zlib.compress(hdr_profile(18)))],
    ],
)
async def test_hdr_is_refused_by_its_name(decoder: Decoder, chunks: list[bytes], kind: str) -> None:
    data = a_png(*chunks, kind=kind)

    with pytest.raises(errors.InvalidArgument) as refused:
        sniff(data, largest_pixels=1000)
    with pytest.raises(Undecodable) as undecodable:
        await decoder.decode(data)

    assert refused.value.fields["image"] == [HDR]
    assert undecodable.value.reason == "unsupported_format"


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_hdr_by_a_profile_is_refused_in_other_formats_too(file_format: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (9, 7)).save(out, file_format, icc_profile=hdr_profile(16))

    with pytest.raises(errors.InvalidArgument) as refused:
        sniff(out.getvalue(), largest_pixels=1000)

    assert refused.value.fields["image"] == [HDR]


def test_samples_of_narrow_range_are_refused_by_their_name() -> None:
    with pytest.raises(errors.InvalidArgument) as refused:
        sniff(a_png(numbers(1, 13, full=0)), largest_pixels=1000)

    assert "narrow range" in refused.value.fields["image"][0]
