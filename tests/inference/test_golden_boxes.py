"""HEIC and AVIF of all items and boxes are right: turned, mirrored, cut, tiled, overlaid, with alpha.

The boxes are written here, around pixels that x265 and libavif have coded.
"""

import struct
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inference.decoding.pool import Decoder
from inference.picture import Picture, Pixels
from tests.heif_files import CodedItem, box, clap, coded_item, full, grid_of, heic, of_items
from tests.inference.golden import psnr, slopes
from tests.inference.pictures import decode_still
from tests.pixels import encoded

SIDES = {b"heic": (64, 64), b"avif": (64, 48)}
ALPHA = {
    b"heic": full(b"auxC", b"urn:mpeg:hevc:2015:auxid:1\0"),
    b"avif": full(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"),
}
FORMATS = [b"heic", b"avif"]
RESOLUTION = Image.Exif()
RESOLUTION[0x011A], RESOLUTION[0x011B], RESOLUTION[0x0128] = 300.0, 150.0, 2


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def an_item(brand: bytes, name: str = "rgb", *more: bytes) -> CodedItem:
    """Return the coded pixels without a clean aperture, with more properties behind their own."""
    if brand == b"heic":
        item = coded_item(heic(name))
    else:
        samples = slopes(*SIDES[brand], 3 if name == "rgb" else 1)
        subsampling = "4:4:4" if name == "rgb" else "4:0:0"
        item = coded_item(
            encoded(Image.fromarray(samples.squeeze()), "AVIF", quality=97, subsampling=subsampling)
        )
    return replace(item, properties=[*item.properties, *more])


def sized(size: tuple[int, int]) -> bytes:
    return full(b"ispe", struct.pack(">II", *size))


def irot(quarters: int) -> bytes:
    return box(b"irot", bytes([quarters]))


def imir(axis: int) -> bytes:
    return box(b"imir", bytes([axis]))


async def stored(decoder: Decoder, brand: bytes, name: str = "rgb") -> Pixels:
    """Return the coded pixels as they are. The other test files compare them with what was encoded."""
    return (await decode_still(decoder, of_items({1: an_item(brand, name)}, brand=brand))).pixels


async def decoded(decoder: Decoder, brand: bytes, *properties: bytes) -> Picture:
    return await decode_still(decoder, of_items({1: an_item(brand, "rgb", *properties)}, brand=brand))


def tiles(brand: bytes, first: int = 2, name: str = "rgb") -> dict[int, CodedItem]:
    return {number: an_item(brand, name) for number in range(first, first + 4)}


def a_grid(brand: bytes, *properties: bytes, size: tuple[int, int]) -> CodedItem:
    return CodedItem(b"grid", grid_of(2, 2, size), [sized(size), *properties])


@pytest.mark.parametrize("brand", FORMATS)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("quarters", range(4))
async def test_boxes_are_applied_in_their_order(
    decoder: Decoder, brand: bytes, quarters: int, axis: int
) -> None:
    pixels = await stored(decoder, brand)

    turned_first = await decoded(decoder, brand, irot(quarters), imir(axis))
    mirrored_first = await decoded(decoder, brand, imir(axis), irot(quarters))

    assert np.array_equal(turned_first.pixels, np.flip(np.rot90(pixels, quarters), axis))
    assert np.array_equal(mirrored_first.pixels, np.rot90(np.flip(pixels, axis), quarters))


@pytest.mark.parametrize("brand", FORMATS)
@pytest.mark.parametrize(("offset", "corner"), [((0, 0), (0, 0)), ((5, -3), (5, -3)), ((-12, 8), (-12, 8))])
async def test_a_picture_is_cut_before_or_after_it_is_turned(
    decoder: Decoder, brand: bytes, offset: tuple[int, int], corner: tuple[int, int]
) -> None:
    pixels = await stored(decoder, brand)

    def cut(before: Pixels) -> Pixels:
        top, left = ((before.shape[0] - 20) // 2 + corner[1], (before.shape[1] - 36) // 2 + corner[0])
        return before[top : top + 20, left : left + 36]

    cut_first = await decoded(decoder, brand, clap((36, 20), offset), irot(1), imir(0))
    mirrored_first = await decoded(decoder, brand, imir(1), clap((36, 20), offset))

    assert np.array_equal(cut_first.pixels, np.rot90(cut(pixels))[::-1])
    assert np.array_equal(mirrored_first.pixels, cut(pixels[:, ::-1]))


@pytest.mark.parametrize("brand", FORMATS)
async def test_tiles_with_tiles_of_alpha_are_joined_then_turned(decoder: Decoder, brand: bytes) -> None:
    across, down = SIDES[brand]
    size = (across + 36, 2 * down - 5)
    auxiliary = ALPHA[brand]
    items = {1: a_grid(brand, irot(3), imir(1), size=size), **tiles(brand)}
    items |= {10: a_grid(brand, irot(3), imir(1), auxiliary, size=size), **tiles(brand, 11, "grey")}
    references = [(b"dimg", 1, [2, 3, 4, 5]), (b"dimg", 10, [11, 12, 13, 14]), (b"auxl", 10, [1])]

    picture = await decode_still(decoder, of_items(items, references, brand=brand))

    def whole(pixels: Pixels) -> Pixels:
        return np.rot90(np.tile(pixels, (2, 2, 1))[: size[1], : size[0]], 3)[:, ::-1]

    assert np.array_equal(picture.pixels, whole(await stored(decoder, brand)))
    assert picture.alpha is not None
    assert psnr(picture.alpha, whole(await stored(decoder, brand, "grey"))[:, :, 0]) > 45


@pytest.mark.parametrize("brand", FORMATS)
async def test_one_picture_derived_from_another_is_turned(decoder: Decoder, brand: bytes) -> None:
    items = {1: CodedItem(b"iden", b"\0", [sized(SIDES[brand]), irot(1)]), 2: an_item(brand)}

    picture = await decode_still(decoder, of_items(items, [(b"dimg", 1, [2])], brand=brand))

    assert np.array_equal(picture.pixels, np.rot90(await stored(decoder, brand)))


@pytest.mark.parametrize("brand", FORMATS)
async def test_pictures_are_laid_over_each_other_on_a_colour(decoder: Decoder, brand: bytes) -> None:
    across, down = SIDES[brand]
    overlay = b"\0\0" + struct.pack(">4H2H4h", 65535, 0, 0, 65535, across + 32, down + 16, 0, 0, 32, 16)
    items = {1: CodedItem(b"iovl", overlay, [sized((across + 32, down + 16))])}
    items |= {2: an_item(brand), 3: an_item(brand)}

    picture = await decode_still(decoder, of_items(items, [(b"dimg", 1, [2, 3])], brand=brand))

    expected = np.zeros((down + 16, across + 32, 3), np.uint8)
    expected[:, :, 0] = 255
    expected[:down, :across] = expected[16:, 32:] = await stored(decoder, brand)
    assert psnr(picture.pixels, expected) > 45


@pytest.mark.parametrize("brand", FORMATS)
async def test_an_auxiliary_picture_that_is_no_alpha_is_left_out(decoder: Decoder, brand: bytes) -> None:
    depth = full(b"auxC", b"urn:mpeg:hevc:2015:auxid:2\0")
    items = {1: an_item(brand), 2: an_item(brand, "grey", depth)}

    picture = await decode_still(decoder, of_items(items, [(b"auxl", 2, [1])], brand=brand))

    assert not picture.has_alpha
    assert np.array_equal(picture.pixels, await stored(decoder, brand))


@pytest.mark.parametrize("brand", FORMATS)
@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("orientation", [1, 6])
async def test_the_resolution_is_turned_with_the_picture_whatever_its_metadata_say(
    decoder: Decoder, brand: bytes, quarters: int, orientation: int
) -> None:
    RESOLUTION[0x0112] = orientation
    content = bytes(4) + RESOLUTION.tobytes().removeprefix(b"Exif\0\0")
    items = {1: an_item(brand, "rgb", irot(quarters)), 2: CodedItem(b"Exif", content, [])}

    picture = await decode_still(decoder, of_items(items, [(b"cdsc", 2, [1])], brand=brand))

    assert picture.dpi == ((150, 300) if quarters % 2 else (300, 150))
