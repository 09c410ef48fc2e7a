"""`auto` chooses a model for pictures of every kind, which the decoding child reads from files."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from imagefile.jpeg_quality import jpeg_quality
from inference.decoding.pool import Decoder
from inference.networks.auto import NotServed, Rule, choose_model, match_rule
from inference.networks.registry import Model
from inference.networks.sample import BLOCK, MAX_BLOCKS, MAX_PALETTE_COLOURS, take_blocks
from inference.picture import Picture, Pixels
from tests.bench.quality_sets import CUTS, cases, on_white, photo, screenshot, smaller
from tests.inference.built_models import CLEAN, ENHANCE_LARGE, ENHANCE_SMALL, FAITHFUL, MODELS
from tests.pixels import encoded

EXPECTED = {
    "photo": {"clean_photo"},
    "photo grey": {"clean_photo"},
    "photo on white": {"clean_photo"},
    "photo q95": {"clean_photo"},
    "photo q90": {"worn_jpeg"},
    "photo q75": {"worn_jpeg"},
    "photo webp 80": {"worn_webp"},
    "16 colours": {"few_colours"},
    "64 colours": {"few_colours"},
    "256 colours": {"clean_photo", "dithered"},
    "16 dithered": {"coarse_colours"},
    "64 dithered": {"few_colours"},
    "256 dithered": {"clean_photo", "dithered"},
    "screenshot": {"hard_edges"},
    "screenshot q95": {"hard_edges"},
    "screenshot q90": {"worn_jpeg", "drawing"},
    "photo in it": {"hard_edges"},
    "line art": {"hard_edges", "few_colours", "drawing"},
    "1-bit": {"coarse_colours"},
}


@pytest.fixture(scope="module")
async def decoder() -> AsyncGenerator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


async def decoded(decoder: Decoder, data: bytes) -> Picture:
    picture = await decoder.decode(data)
    assert isinstance(picture, Picture)
    return picture


def a_picture(image: Image.Image) -> Picture:
    return Picture(np.asarray(image).reshape(image.height, image.width, -1), "PNG")


def a_photo(number: int = 0) -> Image.Image:
    return photo(*CUTS[number])


@pytest.mark.parametrize("factor", [2, 3, 4])
async def test_every_kind_of_picture_gets_its_model(factor: int, decoder: Decoder) -> None:
    choices = [(case.kind, match_rule(await decoded(decoder, case.file))) for case in cases(factor)]

    assert {kind for kind, _ in choices} == set(EXPECTED)
    for kind, choice in choices:
        assert choice.reason in EXPECTED[kind], kind
        assert choice.model == ("faithful" if choice.reason == "clean_photo" else "clean")
        assert choice.message.endswith(".")


@pytest.mark.parametrize(
    ("quality", "subsampling", "mode"),
    [*product([1, 50, 75, 92, 93, 100], [0, 2], ["RGB"]), (75, 0, "L"), (96, 0, "L"), (75, 0, "CMYK")],
)
async def test_the_quality_of_a_jpeg_is_read_from_its_quantisation_tables(
    quality: int, subsampling: int, mode: str, decoder: Decoder
) -> None:
    data = encoded(a_photo().convert(mode), quality=quality, subsampling=subsampling)

    picture = await decoded(decoder, data)

    assert picture.jpeg_quality is not None
    if quality > 1:  # entries end at 255
        assert abs(picture.jpeg_quality - quality) <= 1
    assert match_rule(picture).reason == ("worn_jpeg" if quality < 93 else "clean_photo")


async def test_an_orientation_does_not_change_the_quality_of_a_jpeg(decoder: Decoder) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    picture = await decoded(decoder, encoded(a_photo(), quality=80, exif=exif))

    assert picture.jpeg_quality == 80


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP", "GIF", "WEBP"])
async def test_only_a_jpeg_has_a_jpeg_quality(file_format: str, decoder: Decoder) -> None:
    picture = await decoded(decoder, encoded(a_photo(), file_format))

    assert picture.jpeg_quality is None


async def test_lossless_webp_counts_as_clean(decoder: Decoder) -> None:
    picture = await decoded(decoder, encoded(a_photo(), "WEBP", lossless=True))

    assert match_rule(picture).reason == "clean_photo"


@pytest.mark.parametrize("number", range(len(CUTS)))
def test_a_palette_of_many_colours_is_cleaned_only_if_it_is_dithered(number: int) -> None:
    image = smaller(a_photo(number), 3)
    palette = image.quantize(MAX_PALETTE_COLOURS)

    plain, dithered = (
        match_rule(a_picture(image.quantize(palette=palette, dither=dither).convert("RGB")))
        for dither in (Image.Dither.NONE, Image.Dither.FLOYDSTEINBERG)
    )

    assert (plain.reason, dithered.reason) == ("clean_photo", "dithered")


@pytest.mark.parametrize("number", range(len(CUTS)))
def test_few_levels_of_grey_or_of_one_hue_do_not_count_as_a_palette(number: int) -> None:
    grey = a_photo(number).convert("L")
    faint = grey.point([80 + level // 6 for level in range(256)])
    toned = ImageOps.colorize(grey, "#201000", "#fff0d0")

    reasons = {match_rule(a_picture(each)).reason for each in (grey, faint, toned)}

    assert reasons == {"clean_photo"}


@pytest.mark.parametrize(("deviation", "reason"), [(2, "clean_photo"), (5, "noisy_photo")])
def test_a_photo_with_much_noise_is_smoothed(deviation: float, reason: str) -> None:
    pixels = np.asarray(a_photo())
    noise = np.random.default_rng(1).normal(0, deviation, pixels.shape[:2])[:, :, None]
    noisy = np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)

    choice = choose_model("auto", Picture(noisy, "PNG"), MODELS)

    assert choice.reason == reason
    assert choice.model.name == ("clean" if reason == "noisy_photo" else "faithful")


def test_a_photo_with_a_caption_stays_a_photo() -> None:
    captioned = a_photo().copy()
    ImageDraw.Draw(captioned).text((20, 215), "Eileen Collins, 1999", "white")

    choice = match_rule(a_picture(captioned))

    assert choice.reason == "clean_photo"


def test_a_large_picture_is_judged_by_blocks_from_everywhere_in_it() -> None:
    page = Image.new("RGB", (2400, 1800), "white")
    for left, top in product(range(0, 2400, 150), range(0, 1800, 120)):
        page.paste(screenshot(0, 1), (left, top))
    poster = smaller(on_white(), 2).resize((2400, 1800), Image.Resampling.BICUBIC)

    choices = [match_rule(a_picture(each)).reason for each in (page, poster)]

    assert choices == ["hard_edges", "clean_photo"]


@pytest.mark.parametrize("image", [a_photo(), screenshot(1, 1)], ids=["photo", "screenshot"])
def test_grey_alpha_and_16_bits_change_nothing(image: Image.Image) -> None:
    plain = a_picture(image)
    opaque = np.full(plain.pixels.shape[:2], 255, np.uint8)
    opaque[:9] = 0
    others = [
        a_picture(image.convert("L")),
        Picture(plain.pixels, "PNG", alpha=opaque, has_alpha=True),
        Picture(plain.pixels.astype(np.uint16) * 257, "PNG"),
        Picture(plain.pixels.astype(np.uint16) * 257, "TIFF", alpha=opaque.astype(np.uint16) * 257),
    ]

    choices = {match_rule(each).reason for each in others}

    assert choices == {match_rule(plain).reason}


@pytest.mark.parametrize(("visible", "hidden"), [("photo", "page"), ("page", "photo")])
def test_transparent_pixels_do_not_count(visible: str, hidden: str) -> None:
    side = 108
    parts = {"photo": a_photo().crop((0, 0, side, side)), "page": screenshot(0, 1).crop((0, 0, side, side))}
    pixels = np.concatenate([np.asarray(parts[visible]), np.asarray(parts[hidden])])
    alpha = np.repeat(np.array([255, 0], np.uint8), side)[:, np.newaxis].repeat(side, axis=1)

    choice = match_rule(Picture(pixels, "PNG", alpha=alpha, has_alpha=True))

    assert choice == match_rule(a_picture(parts[visible]))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 2), (2, 1), (3, 3), (1, 5000), (5000, 1), (7, 40000), (70000, 9)]
)
def test_every_size_can_be_judged(
    size: tuple[int, int], channels: int, kind: type[np.uint8 | np.uint16]
) -> None:
    noise: Pixels = np.random.default_rng(1).integers(0, np.iinfo(kind).max, (*size, channels), kind)
    plain = np.full_like(noise, 7)
    alphas = [None, np.zeros(size, kind), noise[:, :, 0]]

    choices = [
        match_rule(Picture(pixels, "PNG", alpha=alpha)) for pixels in (noise, plain) for alpha in alphas
    ]

    assert all(isinstance(choice, Rule) for choice in choices)


@pytest.mark.parametrize(
    "size", [(512, 512), (513, 512), (6000, 8000), (64, 9999), (10, 900000), (900000, 3)]
)
def test_the_blocks_are_limited_in_number_and_reach_every_corner(size: tuple[int, int]) -> None:
    plane = np.zeros(size, np.uint8)
    plane[0, 0], plane[0, -1], plane[-1, 0], plane[-1, -1] = 1, 2, 3, 4

    blocks = take_blocks(plane)

    assert min(plane.size // 100, MAX_BLOCKS * BLOCK) <= blocks.size <= MAX_BLOCKS * BLOCK * BLOCK
    assert {1, 2, 3, 4} <= set(np.unique(blocks).tolist())


@pytest.mark.parametrize(
    ("tables", "quality"),
    [
        (None, None),
        ({}, None),
        ({0: []}, 100),
        ({0: [0] * 64}, 100),
        ({0: [65535] * 64}, 1),
        ({3: [255] * 64}, 11),
    ],
)
def test_unusual_quantisation_tables_give_a_quality_or_none(
    tables: dict[int, list[int]] | None, quality: int | None
) -> None:
    assert jpeg_quality(tables) == quality


def test_a_requested_model_is_used() -> None:
    served = {**MODELS, "enhance": ENHANCE_SMALL}
    picture = a_picture(a_photo())

    choices = {name: choose_model(name, picture, served) for name in served}

    assert {name: choice.model.name for name, choice in choices.items()} == {name: name for name in served}
    assert {choice.reason for choice in choices.values()} == {"asked_for"}


@pytest.mark.parametrize("name", ["enhance", "Faithful", "span_x2"])
def test_a_model_that_is_not_served_is_not_replaced_by_another(name: str) -> None:
    with pytest.raises(NotServed, match=name):
        choose_model(name, a_picture(a_photo()), MODELS)


@pytest.mark.parametrize("requested", ["auto", ""])
def test_enhance_is_not_chosen_for_photos(requested: str) -> None:
    served = {"enhance": ENHANCE_LARGE, **MODELS}
    low_quality = replace(a_picture(a_photo()), jpeg_quality=10)

    assert choose_model(requested, low_quality, served).model.name == CLEAN.name
    assert choose_model(requested, a_picture(a_photo()), served).model is FAITHFUL


@pytest.mark.parametrize(
    ("served", "chosen"),
    [({**MODELS, "enhance": ENHANCE_SMALL}, replace(ENHANCE_SMALL, strength=1)), (MODELS, CLEAN)],
)
def test_very_few_colours_are_enhanced_if_enhance_is_served(served: dict[str, Model], chosen: Model) -> None:
    page = Image.new("1", (160, 160), 1)
    ImageDraw.Draw(page).text((8, 60), "black or white", fill=0)

    choice = choose_model("auto", a_picture(page.convert("L")), served)

    assert (choice.reason, choice.model) == ("coarse_colours", chosen)


@pytest.mark.parametrize("model", [FAITHFUL, CLEAN], ids=lambda model: model.name)
def test_if_only_one_model_is_served_it_is_chosen_for_every_picture(model: Model) -> None:
    served = {"enhance": ENHANCE_LARGE, model.name: model}
    clean = a_picture(a_photo())

    choices = [choose_model("auto", picture, served) for picture in (clean, replace(clean, jpeg_quality=10))]

    assert [choice.model.name for choice in choices] == [model.name, model.name]
    assert sorted({choice.reason for choice in choices} - {"clean_photo", "worn_jpeg"}) == ["only_model"]
