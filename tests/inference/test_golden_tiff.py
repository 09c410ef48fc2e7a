"""Every kind of TIFF is upscaled exactly. Files are written by tifffile or libvips, and read by tifffile."""

import io
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile

from inference.decoding.pool import Decoder
from inference.errors import Undecodable
from inference.picture import Pixels
from tests.inference.golden import assert_upscaled, noise, psnr, read, repeated, slopes, upscaled

SIZE = (37, 45)
PLANES: dict[str, Any] = {"planarconfig": "separate"}
TILED: dict[str, Any] = {"tile": (16, 32)}
STRIPS: dict[str, Any] = {"rowsperstrip": 7}


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def a_tiff(samples: Pixels, *, order: str = "<", big: bool = False, **options: Any) -> bytes:
    """Write a TIFF by tifffile."""
    options = {"photometric": "rgb" if samples.shape[2] > 2 else "minisblack"} | options
    if samples.shape[2] == 1:
        samples = samples[:, :, 0]
    elif options.get("planarconfig") == "separate":
        samples = np.ascontiguousarray(samples.transpose(2, 0, 1))
    else:
        options["planarconfig"] = "contig"
    out = io.BytesIO()
    with tifffile.TiffWriter(out, byteorder=order, bigtiff=big) as writer:  # pyright: ignore[reportArgumentType]
        writer.write(samples, metadata=None, **options)
    return out.getvalue()


def by_libvips(samples: Pixels, **options: Any) -> bytes:
    flat = samples[:, :, 0] if samples.shape[2] == 1 else samples
    options = {"predictor": "none"} | options
    return pyvips.Image.new_from_array(flat).tiffsave_buffer(**options)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("storage", [{}, STRIPS, TILED])
@pytest.mark.parametrize(
    "compression", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}]
)
async def test_grey_and_colour_are_kept_in_either_byte_order(
    decoder: Decoder,
    order: str,
    depth: int,
    channels: int,
    storage: dict[str, Any],
    compression: dict[str, Any],
) -> None:
    samples = noise(*SIZE, channels, depth)

    data = a_tiff(samples, order=order, **storage, **compression)
    result = await upscaled(decoder, data, "TIFF")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate", "packbits"])
@pytest.mark.parametrize(
    "options", [{}, {"tile": True, "tile_width": 16, "tile_height": 16}, {"bigtiff": True}]
)
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
async def test_lossless_compressions_are_read(
    decoder: Decoder, compression: str, options: dict[str, Any], depth: int, channels: int
) -> None:
    samples = noise(*SIZE, channels, depth)

    result = await upscaled(decoder, by_libvips(samples, compression=compression, **options), "TIFF")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("tile", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
async def test_jpeg_compression_inside_a_tiff_is_read(decoder: Decoder, tile: bool, channels: int) -> None:
    samples = slopes(*SIZE, channels)

    data = by_libvips(samples, compression="jpeg", Q=97, tile=tile, tile_width=32, tile_height=32)
    result = await upscaled(decoder, data, "TIFF")

    assert psnr(read(result), repeated(samples)) > 36


@pytest.mark.parametrize(
    ("photometric", "options"),
    [
        ("rgb", {"subsampling": (1, 1)}),
        ("rgb", {"subsampling": (2, 1), **STRIPS}),
        ("rgb", {"subsampling": (2, 2), **TILED}),
        ("rgb", {"subsampling": (4, 1)}),
        ("rgb", PLANES),
        ("miniswhite", TILED),
        ("separated", {}),
    ],
)
async def test_jpeg_compression_of_any_colours_is_read(
    decoder: Decoder, photometric: str, options: dict[str, Any]
) -> None:
    samples = slopes(64, 48, {"rgb": 3, "miniswhite": 1, "separated": 4}[photometric])
    options = {"rowsperstrip": 16} | options if "rowsperstrip" in options else options

    data = a_tiff(
        samples, photometric=photometric, compression="jpeg", compressionargs={"level": 97}, **options
    )
    result = read(await upscaled(decoder, data, "TIFF"))

    expected = 255 - samples if photometric == "miniswhite" else samples
    if photometric == "separated":
        light = 255 - samples.astype(np.float64)
        expected = np.rint(light[:, :, :3] * light[:, :, 3:] / 255).astype(np.uint8)
    assert psnr(result, repeated(expected)) > 36


@pytest.mark.parametrize("compression", ["none", "ccittfax4", "deflate", "packbits"])
@pytest.mark.parametrize("is_white_zero", [False, True])
async def test_black_and_white_become_grey_of_8_bits(
    decoder: Decoder, compression: str, is_white_zero: bool
) -> None:
    samples = np.where(noise(*SIZE, 1) > 127, np.uint8(255), np.uint8(0))

    data = by_libvips(samples, compression=compression, bitdepth=1, miniswhite=is_white_zero)
    result = await upscaled(decoder, data, "TIFF")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("bits", [2, 4])
async def test_grey_of_few_bits_becomes_grey_of_8_bits(decoder: Decoder, bits: int) -> None:
    step = 255 // (2**bits - 1)
    samples = noise(40, 30, 1) // np.uint8(2 ** (8 - bits)) * np.uint8(step)

    result = await upscaled(decoder, by_libvips(samples, bitdepth=bits), "TIFF")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("order", ["<", ">"])
async def test_white_may_be_zero(decoder: Decoder, depth: int, order: str) -> None:
    samples = noise(*SIZE, 1, depth)

    result = await upscaled(decoder, a_tiff(samples, order=order, photometric="miniswhite"), "TIFF")

    assert_upscaled(result, np.iinfo(samples.dtype).max - samples)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [3, 4])
async def test_separate_planes_are_joined(decoder: Decoder, depth: int, channels: int) -> None:
    samples = noise(*SIZE, channels, depth)
    extra: dict[str, Any] = {"extrasamples": ["unassalpha"]} if channels == 4 else {}

    result = await upscaled(decoder, a_tiff(samples, **PLANES, **extra), "TIFF")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("storage", [{}, STRIPS, TILED])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [2, 4])
async def test_alpha_stored_with_colour_is_kept(
    decoder: Decoder, order: str, storage: dict[str, Any], depth: int, channels: int
) -> None:
    samples = noise(*SIZE, channels, depth)

    data = a_tiff(samples, order=order, extrasamples=["unassalpha"], **storage)
    result = await upscaled(decoder, data, "TIFF")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [2, 4])
async def test_colour_multiplied_by_alpha_is_divided_by_it(
    decoder: Decoder, depth: int, channels: int
) -> None:
    most = 2**depth - 1
    colour = np.array([most, most // 2, most // 3])[: channels - 1]
    alpha = np.rint(np.linspace(most // 2, most, SIZE[0] * SIZE[1])).reshape(SIZE[1], SIZE[0], 1)
    stored = np.concatenate([colour * alpha / most, alpha], axis=2)

    data = a_tiff(np.rint(stored).astype(f"u{depth // 8}"), extrasamples=["assocalpha"])
    result = read(await upscaled(decoder, data, "TIFF"))

    assert np.abs(result[:, :, :-1].astype(int) - colour).max() <= 2
    assert result.shape[2] == channels


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [2, 4])
async def test_a_further_channel_of_unknown_meaning_is_left_out(
    decoder: Decoder, depth: int, channels: int
) -> None:
    samples = noise(*SIZE, channels, depth)

    result = await upscaled(decoder, a_tiff(samples, extrasamples=["unspecified"]), "TIFF")

    assert_upscaled(result, np.ascontiguousarray(samples[:, :, :-1]))


async def test_a_palette_becomes_its_colours(decoder: Decoder) -> None:
    indices, colours = noise(*SIZE, 1), np.random.default_rng(1).integers(0, 256, (3, 256)).astype(np.uint16)

    data = a_tiff(indices, photometric="palette", colormap=colours * 257)
    result = await upscaled(decoder, data, "TIFF")

    assert_upscaled(result, colours.T[indices[:, :, 0]].astype(np.uint8))


@pytest.mark.parametrize("depth", [8, 16])
async def test_cmyk_becomes_rgb(decoder: Decoder, depth: int) -> None:
    """Without a profile the exact colours are undefined, but their order is not."""
    most = 2**depth - 1
    colours = np.array([[most, 0, 0, 0], [0, most, 0, 0], [0, 0, most, 0], [0, 0, 0, most], [0, 0, 0, 0]])
    samples = np.repeat(colours, 20, axis=0)[np.newaxis].repeat(30, axis=0).astype(f"u{depth // 8}")

    result = read(await upscaled(decoder, a_tiff(samples, photometric="separated"), "TIFF")) / most

    cyan, magenta, yellow, black, white = (result[30, 20 + 40 * number] for number in range(5))
    assert (cyan.argmin(), magenta.argmin(), yellow.argmin()) == (0, 1, 2)
    assert (black.max() < 0.25, white.min() > 0.98) == (True, True)
    assert result.dtype == np.float64


@pytest.mark.parametrize("depth", [8, 16])
async def test_the_first_of_several_pages_is_taken(decoder: Decoder, depth: int) -> None:
    samples, out = noise(*SIZE, 3, depth), io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for page in (samples, samples[:9, :9], samples[::-1]):
            writer.write(page, photometric="rgb", metadata=None)

    result = await upscaled(decoder, out.getvalue(), "TIFF")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("depth", [8, 16])
async def test_a_little_endian_big_tiff_is_read(decoder: Decoder, depth: int) -> None:
    samples = noise(*SIZE, 3, depth)

    result = await upscaled(decoder, a_tiff(samples, big=True), "TIFF")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int16", "int32", "uint32"])
async def test_samples_of_unknown_range_are_refused(decoder: Decoder, kind: str) -> None:
    data = a_tiff(np.ones((45, 37, 1), kind))

    with pytest.raises(Undecodable) as caught:
        await decoder.decode(data)

    assert caught.value.reason == "unsupported_format"


@pytest.mark.parametrize("depth", [8, 16])
async def test_grey_and_alpha_in_separate_planes_are_refused(decoder: Decoder, depth: int) -> None:
    """libvips would confuse the two, and Pillow does not read alpha."""
    data = a_tiff(noise(*SIZE, 2, depth), extrasamples=["unassalpha"], **PLANES)

    with pytest.raises(Undecodable):
        await decoder.decode(data)
