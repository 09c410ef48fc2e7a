"""All pages of a TIFF come back in a TIFF, each with its own size, channels, bits, resolution and profile."""

import io
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile

from imagefile import tiff_pages
from imagefile.tiff import Tags
from imagefile.tiff_pages import read_pages
from images.formats.sniff import sniff
from inference.decoding.pool import Decoder
from inference.picture import Format, Pages, Pixels
from inference.pipeline import render
from inference.render_spec import RenderSpec
from tests.inference.built_models import FAITHFUL
from tests.inference.golden import TILING, nearest, noise, read, repeated
from tests.inference.test_golden_tiff_table import some_samples, truth
from tests.inference.tiff_files import (
    CMYK,
    DEFLATE,
    LONG,
    LZW,
    MASK,
    PALETTE,
    RGB,
    WHITE_IS_ZERO,
    Kind,
    a_tiff,
    some_pages,
)

Page = tuple[Pixels, Kind]
REDUCED = Kind(photometric=RGB, other_tags={254: (LONG, (1,))})
SMALL = np.ones((5, 4, 3), np.uint8)


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


async def decoded(decoder: Decoder, data: bytes) -> Any:
    header = sniff(data, largest_pixels=1_000_000)
    original = await decoder.decode(data, all_pictures=bool(header.sequence.sizes))
    if isinstance(original, Pages):
        assert tuple(page.size for page in original.pages) == header.sequence.sizes
    return original


async def upscaled(decoder: Decoder, data: bytes, file_format: Format = "TIFF", **options: Any) -> bytes:
    original = await decoded(decoder, data)
    first = original.first if isinstance(original, Pages) else original
    size = (first.width * 2, first.height * 2)
    return await render(
        original, RenderSpec(size, file_format, FAITHFUL.networks, TILING, **options), nearest
    )


def pages_of(data: bytes) -> list[Pixels]:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        found = [page.asarray() for page in file.pages]
    return [page.reshape(*page.shape[:2], -1) for page in found]


def kinds(order: str = "<", *, is_big: bool = False) -> dict[str, Kind]:
    common: dict[str, Any] = {"order": order, "is_big": is_big}
    return {
        "bilevel": Kind(bits=1, photometric=WHITE_IS_ZERO, **common),
        "grey": Kind(**common),
        "grey of 16 bits": Kind(bits=16, compression=LZW, **common),
        "grey with alpha": Kind(extra=(2,), **common),
        "RGB": Kind(photometric=RGB, compression=DEFLATE, predictor=2, **common),
        "RGB in planes": Kind(photometric=RGB, planes=2, **common),
        "RGB of 16 bits in tiles": Kind(bits=16, photometric=RGB, tile=(16, 16), **common),
        "RGB with alpha": Kind(photometric=RGB, extra=(2,), **common),
        "palette": Kind(bits=4, photometric=PALETTE, colours=some_colours(), **common),
        "CMYK": Kind(photometric=CMYK, **common),
    }


def some_colours() -> Pixels:
    return np.random.default_rng(3).integers(0, 256, (3, 16), np.uint16) * 257


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("is_big", [False, True])
async def test_pages_of_every_kind_are_mixed(decoder: Decoder, order: str, *, is_big: bool) -> None:
    pages = [(some_samples(kind), kind) for kind in kinds(order, is_big=is_big).values()]

    found = pages_of(await upscaled(decoder, some_pages(pages)))

    assert len(found) == len(pages)
    for page, (samples, kind) in zip(found, pages, strict=True):
        colours, alpha = truth(samples, kind)
        highest = np.iinfo(page.dtype).max
        assert page.dtype == (np.uint16 if kind.bits == 16 else np.uint8)
        width = page.shape[2] - (alpha is not None)
        expected = repeated(colours[:, :, :width])
        visible = repeated(alpha) > 0 if alpha is not None else np.ones(page.shape[:2], bool)
        visible = visible.reshape(page.shape[:2])
        tolerance = 0.6 if kind.photometric != CMYK else 1.01
        difference = np.abs(page[:, :, :width] / highest - expected)[visible] * 255
        assert difference.max() < tolerance, kind


SIZES = [(20, 13), (1, 1), (60, 4), (33, 47), (7, 90)]


@pytest.mark.parametrize("factor", [2, 3])
async def test_pages_have_their_own_sizes(decoder: Decoder, factor: int) -> None:
    pages = [(noise(*size, 3), Kind(photometric=RGB)) for size in SIZES]
    original = await decoded(decoder, some_pages(pages))
    size = (20 * factor, 13 * factor)

    result = await render(original, RenderSpec(size, "TIFF", FAITHFUL.networks, TILING), nearest)

    found = pages_of(result)
    assert [page.shape[:2] for page in found] == [(h * factor, w * factor) for w, h in SIZES]
    if factor == 2:
        assert all(
            np.array_equal(page, repeated(samples)) for page, (samples, _) in zip(found, pages, strict=True)
        )


async def test_all_pages_grow_by_the_factors_of_the_first(decoder: Decoder) -> None:
    pages = [(noise(*size, 3), Kind(photometric=RGB)) for size in SIZES]
    original = await decoded(decoder, some_pages(pages))

    result = await render(original, RenderSpec((30, 26), "TIFF", FAITHFUL.networks, TILING), nearest)

    assert [page.shape[:2] for page in pages_of(result)] == [(26, 30), (2, 2), (8, 90), (94, 50), (180, 11)]


async def test_resolution_profile_orientation_and_metadata_belong_to_a_page(decoder: Decoder) -> None:
    profile: bytes = pyvips.Image.profile_load("srgb")
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        common: dict[str, Any] = {"photometric": "rgb", "metadata": None}
        with_profile: dict[str, Any] = {"iccprofile": profile, "resolution": (300, 300), "resolutionunit": 2}
        writer.write(noise(20, 13, 3), description="one", **with_profile, **common)
        turned: dict[str, Any] = {"extratags": [(274, "H", 1, 6, True)], "resolution": (72, 36)}
        writer.write(noise(9, 30, 3), description="two", resolutionunit=2, **turned, **common)

    result = await upscaled(decoder, out.getvalue(), keeps_metadata=True)

    with tifffile.TiffFile(io.BytesIO(result)) as file:
        tags = [{tag.name: tag.value for tag in page.aspage().tags} for page in file.pages]
    assert [each["XResolution"][0] / each["XResolution"][1] for each in tags] == [300, 36]
    assert [each["YResolution"][0] / each["YResolution"][1] for each in tags] == [300, 72]
    assert [each.get("InterColorProfile") for each in tags] == [profile, None]
    assert [each["ImageDescription"] for each in tags] == ["one", "two"]
    assert [(each["ImageWidth"], each["ImageLength"]) for each in tags] == [(40, 26), (60, 18)]


OTHERS: dict[str, Kind] = {
    "a reduced image": REDUCED,
    "a reduced page": replace(REDUCED, other_tags={254: (LONG, (3,))}),
    "a mask": Kind(bits=1, other_tags={254: (LONG, (4,))}),
    "a mask by its photometric interpretation": Kind(bits=1, photometric=MASK),
}


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("other", OTHERS)
async def test_thumbnails_and_masks_are_no_pages(decoder: Decoder, other: str, place: int) -> None:
    kind = Kind(photometric=RGB)
    pages = [(noise(20, 13, 3), kind), (noise(21, 13, 3), kind)]
    channels = 3 if OTHERS[other].photometric == RGB else 1
    stored: list[Page] = [*pages]
    stored.insert(place, (SMALL[:, :, :channels], OTHERS[other]))
    data = some_pages(stored)

    found = pages_of(await upscaled(decoder, data))

    assert not sniff(data, largest_pixels=1_000_000).sequence.problem
    assert len(found) == 2
    assert all(
        np.array_equal(page, repeated(samples)) for page, (samples, _) in zip(found, pages, strict=True)
    )


async def test_three_hundred_pages_come_back(decoder: Decoder) -> None:
    pages = [(noise(5, 4, 1) + np.uint8(number % 256), Kind(rows=4)) for number in range(300)]

    found = pages_of(await upscaled(decoder, some_pages(pages)))

    assert len(found) == 300
    assert all(
        np.array_equal(page, repeated(samples)) for page, (samples, _) in zip(found, pages, strict=True)
    )


def three_pages(middle: Kind = Kind(photometric=RGB)) -> tuple[list[Pixels], bytes]:  # noqa: B008  frozen
    samples = [noise(20 + number, 13, 3) for number in range(3)]
    plain = Kind(photometric=RGB, compression=DEFLATE)
    stored = samples[1] if middle.bits < 32 else samples[1].astype(np.float32)
    return samples, some_pages([(samples[0], plain), (stored, middle), (samples[2], plain)])


async def test_a_page_of_a_kind_that_is_not_supported_is_left_out(decoder: Decoder) -> None:
    samples, data = three_pages(Kind(photometric=RGB, bits=32, sample_format=3))

    found = pages_of(await upscaled(decoder, data))

    problem = sniff(data, largest_pixels=1_000_000).sequence.problem
    assert problem == "1 of 3 pages was left out: damaged, or of a kind that cannot be upscaled."
    assert [page.shape for page in found] == [(26, 40, 3), (26, 44, 3)]
    assert np.array_equal(found[1], repeated(samples[2]))


async def test_a_page_that_cannot_be_decoded_is_left_out(decoder: Decoder) -> None:
    """Its strips lie within the file, so only the decoder finds out."""
    samples, data = three_pages(Kind(photometric=RGB, compression=DEFLATE))
    page = read_pages(data).readable[1]
    offset, length = (numbers[0] for numbers in Tags(data, page.directory).pieces())
    damaged = data[:offset] + bytes(length) + data[offset + length :]

    original = await decoded_of_three(decoder, damaged)

    assert [page.size for page in original.pages] == [(20, 13), (22, 13)]
    assert np.array_equal(original.pages[1].pixels, samples[2])


async def decoded_of_three(decoder: Decoder, data: bytes) -> Pages:
    assert len(sniff(data, largest_pixels=1_000_000).sequence.sizes) == 3
    original = await decoder.decode(data, all_pictures=True)
    assert isinstance(original, Pages)
    return original


@pytest.mark.parametrize("share", [0.4, 0.7, 0.9])
async def test_a_file_that_is_cut_off_keeps_its_whole_pages(decoder: Decoder, share: float) -> None:
    samples, data = three_pages()
    cut = data[: int(len(data) * share)]

    result = await upscaled(decoder, cut)

    sequence = sniff(cut, largest_pixels=1_000_000).sequence
    assert sequence.problem
    found = pages_of(result)
    assert len(found) == max(1, len(sequence.sizes))
    assert np.array_equal(found[0], repeated(samples[0]))


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "AVIF"])
async def test_other_formats_get_the_first_page(decoder: Decoder, file_format: Format) -> None:
    samples, data = three_pages()

    found = read(await upscaled(decoder, data, file_format))

    assert found.shape == (26, 40, 3)
    if file_format in ("PNG", "WEBP"):
        assert np.array_equal(found, repeated(samples[0]))


def test_directories_that_lead_back_end_the_pages() -> None:
    _, data = three_pages()
    looped = bytearray(data)
    directories = [page.directory for page in read_pages(data).readable]
    entries = struct.unpack_from("<H", data, directories[2])[0]
    struct.pack_into("<I", looped, directories[2] + 2 + 12 * entries, directories[1])

    assert [page.directory for page in read_pages(bytes(looped)).readable] == directories
    assert read_pages(bytes(looped)).are_all


def test_too_many_pages_are_one_page() -> None:
    kind = Kind(rows=1)
    data = some_pages([(np.ones((1, 1, 1), np.uint8), kind)] * (tiff_pages.MOST_PAGES + 1))

    sequence = sniff(data, largest_pixels=1_000_000).sequence

    assert sequence.sizes == ()
    assert sequence.problem == "The image has more than 2000 pages: only the first was upscaled."


def test_pages_share_the_limit_of_pixels() -> None:
    pages: Sequence[Page] = [(noise(20, 13, 3), Kind(photometric=RGB))] * 4

    within, beyond = (sniff(some_pages(pages), largest_pixels=most).sequence for most in (1040, 1039))

    assert (len(within.sizes), within.problem) == (4, "")
    assert beyond.sizes == ()
    assert (
        beyond.problem
        == "The 4 pages have more than 0.001039 megapixels together: only the first was upscaled."
    )


async def test_pages_below_a_page_are_left_out(decoder: Decoder) -> None:
    """SubIFDs hold smaller versions of their page."""
    kind = Kind(photometric=RGB)
    samples, lower = noise(20, 13, 3), noise(10, 7, 3)
    data = bytearray(a_tiff(samples, kind, next_samples=(lower, kind)))
    first = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, first)[0]
    below = struct.unpack_from("<I", data, first + 2 + 12 * entries)[0]
    struct.pack_into("<I", data, first + 2 + 12 * entries, 0)
    struct.pack_into("<HHII", data, first + 2 + 12 * (entries - 1), 330, LONG, 1, below)

    found = pages_of(await upscaled(decoder, bytes(data)))

    assert len(found) == 1
    assert np.array_equal(found[0], repeated(samples))


async def test_each_page_reports_its_share_of_the_progress(decoder: Decoder) -> None:
    _, data = three_pages()
    original, reports = await decoded(decoder, data), list[float]()
    spec = RenderSpec((40, 26), "TIFF", FAITHFUL.networks, TILING)

    await render(original, spec, nearest, reports.append)

    assert reports == sorted(reports)
    assert reports[-1] == pytest.approx(1.0)
    assert all(any(each == pytest.approx(part / 3) for each in reports) for part in (1, 2, 3))
