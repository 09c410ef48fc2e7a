"""Previews show the picture upright, in its colours and with its alpha; pyramids show every pixel of it."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

from imagefile import pyramid
from imagefile.formats import Format
from inference.decoding import nclx
from inference.decoding.pool import Decoder
from inference.picture import Animation, Picture, Pixels
from inference.pipeline import render
from inference.previews.sides import JobPreviews, PreviewRules, SidePreviews, previews_of
from inference.previews.small import fit
from inference.render_spec import RenderSpec
from inference.tiling.tiles import Tiling
from tests.inference.built_models import FAITHFUL
from tests.inference.golden import nearest, psnr, slopes
from tests.inference.pictures import decode_still
from tests.pixels import encoded, opened

RULES = PreviewRules(largest_shown_pixels=100_000)
P3 = (b"\0" * 16 + b"RGB " + b"\0" * 16 + b"acsp").ljust(500, b"\0")
"""The parts of a profile that WebP looks at."""


def srgb_profile(length: int = 0) -> bytes:
    """Return a usable profile of at least this length."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().ljust(length, b"\0")


@pytest.fixture(scope="module")
async def decoder() -> AsyncGenerator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def a_picture(
    width: int = 900, height: int = 600, channels: int = 3, depth: int = 8, **fields: object
) -> Picture:
    samples = slopes(width, height, channels, depth)
    colours = 1 if channels < 3 else 3
    alpha = samples[:, :, colours] if channels in (2, 4) else None
    whole = Picture(samples[:, :, :colours], "PNG", alpha=alpha, has_alpha=alpha is not None)
    return replace(whole, **fields)  # pyright: ignore[reportArgumentType]


def preview(picture: Picture) -> Image.Image:
    return opened(previews_of(picture, RULES)["original.webp"])


def tiles_of(data: bytes) -> list[list[list[Image.Image]]]:
    """Return the tiles by level, row and column."""
    header = pyramid.read_header(data, 1 << 30)
    places = iter(pyramid.read_index(data[pyramid.HEADER.size :][: header.index_bytes]))
    return [
        [
            [
                opened(data[offset:][:length])
                for _, (offset, length) in zip(range(level.columns), places, strict=False)
            ]
            for _ in range(level.rows)
        ]
        for level in pyramid.levels(header.width, header.height)
    ]


def joined(rows: list[list[Image.Image]]) -> Pixels:
    return np.concatenate([np.concatenate([np.asarray(tile) for tile in row], axis=1) for row in rows])


@pytest.mark.parametrize(
    ("size", "expected"),
    [((900, 600), (512, 341)), ((600, 900), (341, 512)), ((100, 40), (100, 40)), ((30_000, 5), (512, 1))],
)
def test_a_preview_has_at_most_512_pixels_a_side(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fit(size) == expected
    assert preview(a_picture(*size)).size == expected


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_preview_looks_like_its_picture(channels: int, depth: int) -> None:
    shown = np.asarray(preview(a_picture(900, 600, channels, depth)).convert("RGBA"))

    samples = slopes(*fit((900, 600)), channels)
    colours = samples[:, :, :3] if channels > 2 else samples[:, :, :1].repeat(3, 2)
    assert psnr(shown[:, :, :3], colours) > 33
    if channels in (2, 4):
        assert psnr(shown[:, :, 3:], samples[:, :, -1:]) > 40


async def test_a_preview_is_upright(decoder: Decoder) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (80, 40)), exif=exif)

    assert preview(await decode_still(decoder, data)).size == (40, 80)


def test_a_short_profile_stays_and_describes_the_same_samples() -> None:
    picture = a_picture(icc=P3)

    assert preview(picture).info["icc_profile"] == P3
    assert preview(picture).tobytes() == preview(replace(picture, icc=None)).tobytes()


def test_a_long_profile_is_replaced_by_srgb() -> None:
    picture = a_picture(icc=srgb_profile(50_000))

    shown = preview(picture)

    assert "icc_profile" not in shown.info
    assert psnr(np.asarray(shown), np.asarray(preview(replace(picture, icc=None)))) > 45


def test_grey_with_a_profile_becomes_srgb() -> None:
    linear = nclx.write_profile("linear", [], (1.0,))
    grey = Picture(np.full((40, 60, 1), 55, np.uint8), "PNG", icc=linear)

    shown = preview(grey)

    assert "icc_profile" not in shown.info
    assert abs(int(np.asarray(shown).mean()) - 128) < 4


def test_an_unreadable_long_profile_is_ignored() -> None:
    assert "icc_profile" not in preview(a_picture(icc=P3.ljust(9000, b"\1"))).info


@pytest.mark.parametrize(
    ("file_format", "size", "has_pyramid"),
    [
        ("PNG", (300, 300), False),
        ("PNG", (400, 400), True),
        ("TIFF", (300, 300), True),
        ("HEIF", (300, 300), True),
        ("JXL", (300, 300), True),
        ("AVIF", (300, 300), False),
    ],
)
def test_pictures_that_browsers_cannot_show_and_large_ones_have_a_pyramid(
    file_format: Format, size: tuple[int, int], *, has_pyramid: bool
) -> None:
    files = previews_of(a_picture(*size, source_format=file_format), RULES)

    assert set(files) == {"original.webp"} | ({"original.pyramid"} if has_pyramid else set())


@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (3, 8), (3, 16), (4, 8)])
def test_the_tiles_of_a_pyramid_join_to_the_picture_at_each_level(channels: int, depth: int) -> None:
    files = previews_of(a_picture(1301, 700, channels, depth, icc=P3), RULES)

    levels = tiles_of(files["original.pyramid"])

    assert [joined(each).shape[:2] for each in levels] == [(700, 1301), (350, 651), (175, 326)]
    for level in levels:
        shown = joined(level)
        expected = slopes(shown.shape[1], shown.shape[0], channels)
        colours = expected[:, :, :3] if channels > 2 else expected.repeat(3, 2)
        assert psnr(shown[:, :, :3], colours) > 36
        if channels == 4:
            assert psnr(shown[:, :, 3:], expected[:, :, 3:]) > 40
    assert (levels[0][0][0].info.get("icc_profile") == P3) == (channels > 1)


@pytest.mark.parametrize("is_lossless", [True, False])
def test_the_full_size_of_a_lossless_picture_is_exact(*, is_lossless: bool) -> None:
    picture = a_picture(700, 600, is_lossless=is_lossless)

    shown = joined(tiles_of(previews_of(picture, RULES)["original.pyramid"])[0])

    assert np.array_equal(shown, picture.pixels) == is_lossless


async def result_of(
    original: Picture | Animation, spec: RenderSpec, rules: PreviewRules = RULES
) -> dict[str, bytes]:
    first = original if isinstance(original, Picture) else original.first
    previews = JobPreviews(rules, spec.file_format)
    async with previews.beside(first) as watch:
        await render(original, spec, nearest, None, watch)
    return previews.files


async def test_a_job_makes_previews_of_both_sides() -> None:
    spec = RenderSpec((1200, 800), "PNG", FAITHFUL.networks, Tiling(64), fit="contain")

    files = await result_of(a_picture(300, 300), spec)

    assert set(files) == {"original.webp", "result.webp", "result.pyramid"}
    shown = opened(files["result.webp"])
    assert (shown.size, shown.mode) == ((512, 341), "RGBA")
    assert np.asarray(shown)[170, 5, 3] == 0
    assert np.asarray(shown)[170, 256, 3] == 255


async def test_an_animation_is_shown_by_its_first_frame() -> None:
    frames = [Picture(np.full((40, 60, 3), value, np.uint8), "GIF") for value in (200, 20)]
    spec = RenderSpec((120, 80), "WEBP", FAITHFUL.networks, Tiling(64))

    files = await result_of(Animation(frames, [50, 50], 0), spec)

    assert set(files) == {"original.webp", "result.webp"}
    for data in files.values():
        assert abs(int(np.asarray(opened(data)).mean()) - 200) < 4


async def test_nothing_is_made_while_previews_are_off() -> None:
    spec = RenderSpec((120, 80), "TIFF", FAITHFUL.networks, Tiling(64))

    assert await result_of(a_picture(60, 40), spec, PreviewRules(is_on=False)) == {}


def test_a_fault_costs_the_preview_and_nothing_else() -> None:
    picture = a_picture()
    side = SidePreviews("result", picture.header(picture.size), has_pyramid=True)

    side.write(np.zeros((256, 900, 7), np.uint8))
    side.write(picture.pixels)

    assert side.finish() == {}
