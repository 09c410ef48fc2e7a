"""Pixel art is recognised and comes back as squares of its own colours. Nothing else is taken for it."""

import io
import random
from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageDraw

from inference.networks.auto import choose_model, match_rule
from inference.networks.network import Answer, Tensor
from inference.networks.registry import BUILT_IN
from inference.picture import Animation, Format, Picture
from inference.pipeline import render
from inference.render_spec import RenderSpec
from inference.sizing import place
from inference.tiling.tiles import Tiling
from tests.bench.quality_sets import cases, line_art, screenshot
from tests.inference.built_models import CLEAN, MODELS

PIXEL = BUILT_IN["pixel"]
COLOURS = ("#1d2b53", "#7e2553", "#008751", "#ab5236", "#c2c3c7", "#ff004d", "#ffa300", "#29adff", "#ff77a8")


def sprite(seed: int, side: int = 16) -> Image.Image:
    """Draw a symmetric figure with a black outline on nothing."""
    rng = random.Random(seed)
    shape = {(x, y) for y in range(1, side - 1) for x in range(side // 2 - rng.randint(1, 7), side // 2)}
    shape |= {(side - 1 - x, y) for x, y in shape}
    image = Image.new("RGBA", (side, side))
    pen = ImageDraw.Draw(image)
    for x, y in sorted(shape):
        is_inner = {(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)} <= shape
        pen.point((x, y), rng.choice(COLOURS) if is_inner else "black")
    return image


def sheet() -> Image.Image:
    image = Image.new("RGBA", (128, 64))
    for number, (left, top) in enumerate(product(range(0, 128, 16), range(0, 64, 16))):
        image.paste(sprite(number), (left, top))
    return image


def scene() -> Image.Image:
    """Draw ground, sky, clouds and figures at the size of an old console."""
    image = Image.new("RGB", (160, 120), "#29adff")
    pen = ImageDraw.Draw(image)
    for number in range(5):
        pen.ellipse((30 * number, 8 + 5 * number, 30 * number + 22, 16 + 5 * number), "#fff1e8")
    for left in range(0, 160, 8):
        top = 120 - 8 * (2 + left // 8 % 3)
        pen.rectangle((left, top, left + 7, 119), "#ab5236")
        pen.rectangle((left, top, left + 7, top + 1), "#008751")
    for number in range(4):
        figure = sprite(number)
        image.paste(figure, (20 + 34 * number, 70), figure)
    return image


def on_plain(image: Image.Image) -> Image.Image:
    result = Image.new("RGB", image.size, "#c2c3c7")
    result.paste(image, (0, 0), image)
    return result


def code() -> Image.Image:
    """Draw squares of black and white, as in a QR code."""
    return Image.fromarray(np.random.default_rng(5).random((21, 21)) < 0.5).convert("L")


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(2).integers(0, 8, (24, 24), np.uint8) * np.uint8(36))


ART = {
    "sprite": sprite(1),
    "large sprite": sprite(2, 32),
    "opaque sprite": on_plain(sprite(3, 64)),
    "sheet": sheet(),
    "scene": scene(),
    "code": code(),
    "eight greys": noise(),
    "two pixels": Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)),
}


def as_picture(image: Image.Image) -> Picture:
    samples = np.asarray(image).reshape(image.height, image.width, -1)
    if image.mode != "RGBA":
        return Picture(samples, "PNG")
    return Picture(samples[:, :, :3], "PNG", alpha=samples[:, :, 3], has_alpha=True)


def repeated(image: Image.Image, factor: int) -> Image.Image:
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


async def no_network(name: str, tensor: Tensor) -> Answer:
    raise AssertionError(f"{name} was run")


async def rendered(
    original: Picture | Animation, size: tuple[int, int], file_format: Format = "PNG"
) -> Image.Image:
    spec = RenderSpec(size, file_format, PIXEL.networks, Tiling(64))
    return Image.open(io.BytesIO(await render(original, spec, no_network)))


def colours(image: Image.Image) -> set[bytes]:
    return {bytes(each) for each in np.asarray(image).reshape(-1, len(image.getbands())).tolist()}


@pytest.mark.parametrize("factor", range(1, 9))
@pytest.mark.parametrize("name", ART)
def test_pixel_art_is_recognised_also_if_it_was_enlarged(name: str, factor: int) -> None:
    picture = as_picture(repeated(ART[name], factor))

    choice = choose_model("auto", picture, {**MODELS, **BUILT_IN})

    assert (choice.model, choice.reason) == (PIXEL, "pixel_art")


@pytest.mark.parametrize("name", ART)
def test_a_part_of_enlarged_pixel_art_and_16_bits_are_recognised_too(name: str) -> None:
    whole = repeated(ART[name], 4)
    picture = as_picture(whole.crop((1, 2, whole.width - 1, whole.height - 1)))
    deep = as_picture(repeated(ART[name].convert("RGB"), 3))

    rules = [match_rule(picture), match_rule(Picture(deep.pixels.astype(np.uint16) * np.uint16(257), "PNG"))]

    assert [rule.reason for rule in rules] == ["pixel_art", "pixel_art"]


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_no_picture_of_the_quality_sets_is_pixel_art(factor: int) -> None:
    taken = {
        case.kind
        for case in cases(factor)
        for image in (Image.open(io.BytesIO(case.file)), case.truth)
        if match_rule(as_picture(image.convert("RGB"))).reason == "pixel_art"
    }

    assert taken == set()


@pytest.mark.parametrize("count", [4, 5, 6, 8, 12, 16, 32])
@pytest.mark.parametrize("dither", [Image.Dither.NONE, Image.Dither.FLOYDSTEINBERG])
def test_screenshots_and_drawings_in_a_palette_are_no_pixel_art(count: int, dither: Image.Dither) -> None:
    images = [
        scene(number, scale) for scene in (screenshot, line_art) for number in (0, 1) for scale in (1, 2)
    ]

    reduced = [image.quantize(palette=image.quantize(count), dither=dither) for image in images]

    assert "pixel_art" not in {match_rule(as_picture(image.convert("RGB"))).reason for image in reduced}


def test_where_pixel_is_not_served_pixel_art_gets_another_model() -> None:
    choice = choose_model("auto", as_picture(sheet()), MODELS)

    assert (choice.model, choice.reason) == (CLEAN, "pixel_art")


def test_an_animation_is_pixel_art_only_if_it_stays_so() -> None:
    art, page = as_picture(on_plain(sprite(4, 32))), as_picture(screenshot(0, 1).crop((0, 0, 32, 32)))
    blank = as_picture(Image.new("RGB", (32, 32), "white"))

    reasons = [
        match_animated(frames) for frames in ([blank, art, art], [art, page], [blank, page], [blank, blank])
    ]

    assert reasons[0] == "pixel_art"
    assert "pixel_art" not in reasons[1:]
    assert reasons[3] == "one_colour"


def match_animated(frames: list[Picture]) -> str:
    animation = Animation(frames, [100] * len(frames), 0)
    return choose_model("auto", animation, {**MODELS, **BUILT_IN}).reason


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("name", ART)
async def test_each_pixel_becomes_a_square(name: str, factor: int) -> None:
    image = ART[name]
    size = (image.width * factor, image.height * factor)

    result = await rendered(as_picture(image), size)

    assert np.array_equal(np.asarray(result), np.asarray(repeated(image, factor)))


@pytest.mark.parametrize("name", ART)
@pytest.mark.parametrize("ratio", [1.0, 1.3, 2.5, 3.9])
async def test_other_factors_give_no_new_colour_and_squares_that_differ_by_a_pixel(
    name: str, ratio: float
) -> None:
    image = ART[name]
    size = (round(image.width * ratio) + 1, round(image.height * ratio))

    result = await rendered(as_picture(image), size)

    assert result.size == size
    assert colours(result) == colours(image)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "GIF"])
async def test_formats_without_loss_keep_the_colours_of_stills_and_animations(file_format: Format) -> None:
    frames = [on_plain(sprite(number, 32)) for number in (5, 6, 7)]
    animation = Animation([as_picture(frame) for frame in frames], [100, 100, 100], 0)

    result = await rendered(animation, (96, 96), file_format)

    for number in range(getattr(result, "n_frames", 1)):
        result.seek(number)
        assert np.array_equal(np.asarray(result.convert("RGB")), np.asarray(repeated(frames[number], 3)))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (64, 64), (300, 200)])
def test_an_invisible_picture_and_one_of_one_colour_have_their_own_reasons(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    invisible = Picture(pixels, "PNG", alpha=np.zeros(pixels.shape[:2], np.uint8), has_alpha=True)
    plain = as_picture(Image.new("RGB", size, "teal"))

    assert match_rule(invisible).reason == "nothing_visible"
    assert match_rule(plain).reason == "one_colour"


@pytest.mark.parametrize(
    ("file_format", "is_lossless", "jpeg_quality", "reason"),
    [
        ("JPEG", True, None, "hard_edges"),
        ("JPEG", False, None, "hard_edges"),
        ("JPEG", False, 100, "hard_edges"),
        ("JPEG", False, 60, "worn_jpeg"),
        ("WEBP", False, None, "worn_webp"),
        ("WEBP", True, None, "hard_edges"),
        ("TIFF", False, None, "worn_jpeg"),
        ("TIFF", True, None, "hard_edges"),
    ],
)
def test_the_reason_names_what_the_file_is(
    file_format: Format, is_lossless: bool, jpeg_quality: int | None, reason: str
) -> None:
    pixels = np.asarray(screenshot(0, 1))

    rule = match_rule(Picture(pixels, file_format, is_lossless=is_lossless, jpeg_quality=jpeg_quality))

    assert rule.reason == reason


@pytest.mark.parametrize("source", [(1, 5000), (5000, 1), (16384, 3), (2, 9999)])
def test_a_thin_picture_never_vanishes_when_it_is_placed(source: tuple[int, int]) -> None:
    for target in ((10, 10), (1, 1), (64, 48)):
        assert min(place(source, target, "contain").inner) >= 1
