"""16-bit TIFFs that must be rewritten before libvips can read them keep every sample."""

import io
import lzma
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from inference.decoding.pool import Decoder
from inference.decoding.protocol import Limits
from inference.errors import Undecodable
from inference.picture import Pixels
from tests.inference.golden import assert_upscaled, noise, upscaled
from tests.inference.pictures import decode_still

SIZE = (37, 45)
TILE = (16, 32)
DELTA: list[dict[str, int]] = [{"id": lzma.FILTER_DELTA, "dist": 2}, {"id": lzma.FILTER_LZMA2, "preset": 6}]


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def a_tiff(
    samples: Pixels, pieces: Any = None, *, order: str = "<", big: bool = False, **options: Any
) -> bytes:
    """Write a TIFF by tifffile. `pieces`, if given, are its compressed strips or tiles."""
    options = {"photometric": "rgb" if samples.shape[2] > 2 else "minisblack"} | options
    if options.get("planarconfig") == "separate":
        samples = np.ascontiguousarray(samples.transpose(2, 0, 1))
    if samples.shape[2] == 1:
        samples = samples[:, :, 0]
    shape: dict[str, Any] = {"shape": samples.shape, "dtype": samples.dtype} if pieces else {}
    out = io.BytesIO()
    with tifffile.TiffWriter(out, byteorder=order, bigtiff=big) as writer:  # pyright: ignore[reportArgumentType]
        writer.write(pieces or samples, metadata=None, **shape, **options)
    return out.getvalue()


def by_lzma(samples: Pixels, *, order: str = "<", rows: int = 7, **options: Any) -> bytes:
    stored = samples.astype(f"{order}u2")
    if options.get("predictor"):
        stored[:, 1:] -= samples[:, :-1]
    strips = [stored[top : top + rows].tobytes() for top in range(0, len(stored), rows)]
    pieces = iter([lzma.compress(strip, filters=DELTA) for strip in strips])
    planar: dict[str, Any] = {"planarconfig": "contig"} if samples.shape[2] > 1 else {}
    return a_tiff(samples, pieces, order=order, compression="lzma", rowsperstrip=rows, **planar, **options)


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize(
    "compression", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}]
)
@pytest.mark.parametrize("channels", [3, 4])
async def test_tiles_in_separate_planes_are_joined(
    decoder: Decoder, order: str, big: bool, compression: dict[str, Any], channels: int
) -> None:
    samples = noise(*SIZE, channels, 16)
    extra: dict[str, Any] = {"extrasamples": ["unassalpha"]} if channels == 4 else {}

    data = a_tiff(samples, order=order, big=big, planarconfig="separate", tile=TILE, **compression, **extra)
    result = await upscaled(decoder, data, "TIFF")

    assert_upscaled(result, samples)


async def test_a_plane_of_unknown_meaning_is_left_out(decoder: Decoder) -> None:
    samples = noise(*SIZE, 4, 16)

    data = a_tiff(samples, planarconfig="separate", tile=TILE, extrasamples=["unspecified"])
    result = await upscaled(decoder, data, "TIFF")

    assert_upscaled(result, np.ascontiguousarray(samples[:, :, :3]))


async def test_cmyk_in_tiled_planes_gives_the_same_as_cmyk_in_whole_pixels(decoder: Decoder) -> None:
    samples = noise(*SIZE, 4, 16)
    cmyk: dict[str, Any] = {"photometric": "separated"}

    from_planes = await decode_still(decoder, a_tiff(samples, planarconfig="separate", tile=TILE, **cmyk))
    from_pixels = await decode_still(decoder, a_tiff(samples, planarconfig="contig", **cmyk))

    assert from_planes.depth == from_pixels.depth == 16
    assert np.array_equal(from_planes.pixels, from_pixels.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_tiled_planes_are_turned_upright_once(decoder: Decoder, orientation: int) -> None:
    samples, orientation_tag = noise(*SIZE, 3, 16), [(274, "H", 1, orientation, True)]

    from_planes = await decode_still(
        decoder, a_tiff(samples, planarconfig="separate", tile=TILE, extratags=orientation_tag)
    )
    from_pixels = await decode_still(
        decoder, a_tiff(samples, planarconfig="contig", extratags=orientation_tag)
    )

    assert np.array_equal(from_planes.pixels, from_pixels.pixels)
    assert from_planes.size == (SIZE if orientation < 5 else SIZE[::-1])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
async def test_lzma_is_read(decoder: Decoder, order: str, predictor: bool, channels: int) -> None:
    samples = noise(*SIZE, channels, 16)

    data = by_lzma(samples, order=order, predictor=predictor)
    result = await upscaled(decoder, data, "TIFF")

    assert_upscaled(result, samples)


async def test_lzma_as_libtiff_writes_it_is_read(decoder: Decoder) -> None:
    samples, out = noise(*SIZE, 1, 16), io.BytesIO()
    Image.fromarray(samples[:, :, 0]).save(out, "TIFF", compression="lzma")

    result = await upscaled(decoder, out.getvalue(), "TIFF")

    assert_upscaled(result, samples)


async def test_lzma_in_tiled_planes_is_read(decoder: Decoder) -> None:
    samples = noise(32, 16, 3, 16)
    pieces = iter([lzma.compress(samples[:, :, index].tobytes()) for index in range(3)])

    data = a_tiff(samples, pieces, planarconfig="separate", tile=(16, 32), compression="lzma")
    result = await upscaled(decoder, data, "TIFF")

    assert_upscaled(result, samples)


async def test_broken_lzma_is_undecodable(decoder: Decoder) -> None:
    data = by_lzma(noise(*SIZE, 3, 16))
    start = data.index(b"\xfd7zXZ")

    with pytest.raises(Undecodable) as caught:
        await decoder.decode(data[: start + 20] + b"\xff" * 20 + data[start + 40 :])

    assert caught.value.reason == "corrupt_image"


async def test_lzma_that_inflates_beyond_its_strip_is_cut_off_there(decoder: Decoder) -> None:
    samples = noise(8, 4, 1, 16)
    pieces = iter([lzma.compress(samples.tobytes() + bytes(64 << 20))])

    data = a_tiff(samples, pieces, compression="lzma", rowsperstrip=4)
    picture = await decode_still(decoder, data)

    assert np.array_equal(picture.pixels, samples)


async def test_unsupported_channels_of_16_bits_are_refused_and_not_reduced_to_8(
    decoder: Decoder,
) -> None:
    data = a_tiff(noise(*SIZE, 5, 16), planarconfig="contig", extrasamples=["unassalpha", "unspecified"])

    with pytest.raises(Undecodable) as caught:
        await decoder.decode(data)

    assert caught.value.reason == "unsupported_format"


async def test_the_limit_of_pixels_is_checked_before_a_file_is_rewritten() -> None:
    decoder = Decoder(Limits(pixels=SIZE[0] * SIZE[1] - 1))

    with pytest.raises(Undecodable) as caught:
        await decoder.decode(by_lzma(noise(*SIZE, 3, 16)))
    await decoder.aclose()

    assert caught.value.reason == "too_many_pixels"
