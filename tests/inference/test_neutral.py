"""Pictures without colour, and of one colour, come back so from the real networks, whatever their file is."""

import io
from collections.abc import AsyncGenerator, Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from inference.decoding.decoders import decode
from inference.decoding.pool import Decoder
from inference.networks.registry import Model
from inference.picture import Animation, Format, Picture
from inference.pipeline import render
from inference.plain import neutral_channel, one_colour
from inference.render_spec import RenderSpec
from inference.tiling.tiles import Tiling
from inference.triton.client import Triton
from inference.upscaling import upscale
from loupe_local.stack import Stack
from tests.inference.built_models import CLEAN, ENHANCE_SMALL, FAITHFUL
from tests.inference.conftest import triton_at
from tests.jxl_files import jxl
from tests.pixels import encoded

Plane = npt.NDArray[np.uint8]
MODELS = (FAITHFUL, CLEAN, ENHANCE_SMALL)
USUAL_FILES = ("RGB PNG", "RGBA PNG", "JPEG q85", "lossy WebP with alpha")
"""The kinds of files that each model gets. The others lead to the same pixels, so one model gets them."""
SIDE = 72
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


@pytest.fixture(scope="module")
async def real(stack: Stack) -> AsyncGenerator[Triton]:
    assert stack.stores.triton
    running = stack.stores.triton
    async with triton_at(running.grpc, seconds=120, secret=running.secret) as client:
        yield client


def checker(side: int) -> Plane:
    return np.where((ROWS // side + COLUMNS // side) % 2, 220, 20).astype(np.uint8)


def bayer() -> Plane:
    matrix = np.array([[0]])
    for _ in range(2):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return np.where(np.tile(matrix / 16, (SIDE // 4, SIDE // 4)) < COLUMNS / SIDE, 255, 0).astype(np.uint8)


def screentone() -> Plane:
    return np.where((COLUMNS % 6 - 2.5) ** 2 + (ROWS % 6 - 2.5) ** 2 < 5, 0, 255).astype(np.uint8)


def text() -> Plane:
    page = Image.new("L", (SIDE, SIDE), 255)
    for row in range(3, SIDE, 13):
        ImageDraw.Draw(page).text((2, row), "All work and", fill=0)
    return np.asarray(page)


def lines() -> Plane:
    return np.where(COLUMNS % 4 == 0, 0, 230).astype(np.uint8)


def ramp() -> Plane:
    return (COLUMNS * 255 // SIDE).astype(np.uint8)


def noise() -> Plane:
    return np.random.default_rng(3).integers(0, 256, (SIDE, SIDE), np.uint8)


STRUCTURES = (
    lambda: checker(1),
    lambda: checker(2),
    lambda: checker(9),
    bayer,
    screentone,
    text,
    lines,
    ramp,
)


def as_rgb(plane: Plane) -> Image.Image:
    return Image.fromarray(np.repeat(plane[:, :, np.newaxis], 3, axis=2))


def as_rgba(plane: Plane) -> Image.Image:
    """Return the picture with a soft alpha channel, and red where it is invisible."""
    alpha = np.clip(COLUMNS * 5 - 40, 0, 255).astype(np.uint8)
    colours = np.where(
        alpha[:, :, np.newaxis] == 0, np.array([255, 0, 0], np.uint8), np.asarray(as_rgb(plane))
    )
    return Image.fromarray(np.dstack([colours, alpha]))


def as_ink(plane: Plane) -> Image.Image:
    """Return the picture in black ink alone."""
    none = Image.new("L", (SIDE, SIDE))
    return Image.merge("CMYK", [none, none, none, Image.fromarray(255 - plane)])


def as_palette(plane: Plane) -> Image.Image:
    return as_rgb(plane).quantize(256, dither=Image.Dither.NONE)


FILES: dict[str, Callable[[Plane], bytes]] = {
    "grey PNG": lambda plane: encoded(Image.fromarray(plane), "PNG"),
    "RGB PNG": lambda plane: encoded(as_rgb(plane), "PNG"),
    "RGBA PNG": lambda plane: encoded(as_rgba(plane), "PNG"),
    "palette PNG": lambda plane: encoded(as_palette(plane), "PNG"),
    "JPEG q85": lambda plane: encoded(as_rgb(plane), quality=85),
    "JPEG q95 without subsampling": lambda plane: encoded(as_rgb(plane), quality=95, subsampling=0),
    "lossless WebP": lambda plane: encoded(as_rgb(plane), "WEBP", lossless=True),
    "lossy WebP": lambda plane: encoded(as_rgb(plane), "WEBP", quality=80),
    "lossy WebP with alpha": lambda plane: encoded(as_rgba(plane), "WEBP", quality=60),
    "AVIF": lambda plane: encoded(as_rgb(plane), "AVIF", quality=60),
    "JPEG XL": lambda plane: jxl(np.asarray(as_rgb(plane)), quality=75),
    "CMYK JPEG": lambda plane: encoded(as_ink(plane)),
    "BMP": lambda plane: encoded(as_rgb(plane), "BMP"),
    "TIFF": lambda plane: encoded(as_rgb(plane), "TIFF"),
}


MODES = {"grey PNG": "L", "RGBA PNG": "RGBA", "lossy WebP with alpha": "RGBA"}


@pytest.fixture(scope="module")
async def decoder() -> AsyncGenerator[Decoder]:
    decoder = Decoder(processes=1)
    yield decoder
    await decoder.aclose()


async def rendered(
    original: Picture | Animation, model: Model, real: Triton, factor: int = 2, file_format: Format = "PNG"
) -> Image.Image:
    first = original if isinstance(original, Picture) else original.frames[0]
    size = (first.width * factor, first.height * factor)
    data = await render(original, RenderSpec(size, file_format, model.networks, Tiling(64)), real.infer)
    return Image.open(io.BytesIO(data))


def chroma(image: Image.Image) -> int:
    """Return the largest difference between two channels of a visible pixel."""
    samples = np.asarray(image.convert("RGBA")).astype(int)
    colours = samples[samples[:, :, 3] > 0][:, :3]
    return int((colours.max(axis=1) - colours.min(axis=1)).max())


async def skip_without(real: Triton, model: Model) -> None:
    if not await real.has(model.networks[0].name):
        pytest.skip(f"this Triton has no {model.networks[0].name}")


@pytest.mark.parametrize(
    ("name", "model"),
    [(name, model) for name in FILES for model in (MODELS if name in USUAL_FILES else (CLEAN,))],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
async def test_a_picture_without_colour_gets_none_whatever_its_file_is(
    real: Triton, decoder: Decoder, name: str, model: Model
) -> None:
    await skip_without(real, model)

    for plane in (checker(1), bayer(), text(), noise()):
        image = await rendered(await decoder.decode(FILES[name](plane)), model, real)

        assert image.mode == MODES.get(name, "RGB")
        assert chroma(image) == 0


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@pytest.mark.parametrize("factor", [2, 4])
async def test_a_structure_without_colour_keeps_its_brightness(
    real: Triton, model: Model, factor: int
) -> None:
    await skip_without(real, model)

    for plane in (structure() for structure in STRUCTURES):
        image = await rendered(Picture(np.asarray(as_rgb(plane)), "PNG"), model, real, factor)

        assert abs(np.asarray(image).mean() - plane.mean()) < 1
        assert chroma(image) == 0


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_16_bits_without_colour_stay_so(real: Triton, model: Model) -> None:
    await skip_without(real, model)
    plane = bayer().astype(np.uint16) * np.uint16(200) + ramp()
    rows: list[npt.NDArray[np.uint16]] = []
    picture = Picture(np.repeat(plane[:, :, np.newaxis], 3, axis=2), "PNG")

    await upscale(picture, (2 * SIDE, 2 * SIDE), real.infer, rows.append, networks=model.networks)

    result = np.concatenate(rows)
    assert (result.dtype, result.shape) == (np.uint16, (2 * SIDE, 2 * SIDE, 3))
    assert (result == result[:, :, :1]).all()
    assert abs(result.mean() - plane.mean()) < 257


@pytest.mark.parametrize("file_format", ["GIF", "WEBP"])
async def test_frames_of_an_animation_without_colour_stay_so(
    real: Triton, decoder: Decoder, file_format: Format
) -> None:
    frames = [as_rgb(plane) for plane in (bayer(), text(), screentone())]
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:], duration=80, **options)

    image = await rendered(await decoder.decode(data), CLEAN, real, file_format=file_format)

    for number in range(len(frames)):
        image.seek(number)
        assert chroma(image) == 0


@pytest.mark.parametrize("quality", [50, 90])
@pytest.mark.parametrize("depth", [8, 16])
def test_jpeg_xl_gives_grey_no_colour_and_takes_none_from_a_faint_tint(quality: int, depth: int) -> None:
    """Lossy JPEG XL makes blue differ by up to 12 levels at the edges of black text."""

    def is_neutral(samples: npt.NDArray[Any]) -> bool:
        stored = samples.astype(f"u{depth // 8}") * (257 if depth == 16 else 1)
        found = decode(jxl(stored, quality=quality), samples.size)
        pixels = np.frombuffer(b"".join(found.parts), stored.dtype, stored.size).reshape(stored.shape)
        return neutral_channel(pixels, is_lossless=found.header["is_lossless"]) is not None

    for plane in (text(), checker(1), screentone(), noise()):
        grey = np.asarray(as_rgb(plane))

        assert is_neutral(grey)
        for tint in ((0, 0, 3), (3, 3, 0), (4, 0, 0)):
            assert not is_neutral(grey // 8 * 7 + np.array(tint, np.uint8))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_a_toned_picture_keeps_its_tone(real: Triton, model: Model) -> None:
    await skip_without(real, model)
    toned = np.asarray(as_rgb(ramp())) // 2 + np.array([60, 40, 20], np.uint8)

    image = await rendered(Picture(toned, "PNG"), model, real)

    difference = np.asarray(image).mean(axis=(0, 1)) - toned.mean(axis=(0, 1))
    assert np.abs(difference).max() < 1


SIZES = ((1, 1), (2, 1), (1, 2), (1, 7), (2, 2), (3, 3), (16, 1), (1, 40), (5, 64), (70, 70))
TEAL = (0, 128, 129)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@pytest.mark.parametrize("factor", [2, 3, 4])
async def test_a_picture_of_one_colour_is_exactly_that_colour(
    real: Triton, model: Model, factor: int
) -> None:
    for size in SIZES:
        image = await rendered(a_plain_picture(size), model, real, factor)

        assert image.size == (size[0] * factor, size[1] * factor)
        assert image.getcolors() == [(image.width * image.height, TEAL)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("colour", [(0, 0, 0), (65535, 65535, 65535), (1, 40_000, 77)])
async def test_one_colour_of_16_bits_is_kept_too(
    real: Triton, size: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    pixels = np.broadcast_to(np.array(colour, np.uint16), (size[1], size[0], 3))
    rows: list[npt.NDArray[np.uint16]] = []

    await upscale(
        Picture(pixels, "PNG"), (size[0] * 3, size[1] * 3), real.infer, rows.append, networks=CLEAN.networks
    )

    assert (np.concatenate(rows) == np.array(colour)).all()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@pytest.mark.parametrize("size", [size for size in SIZES if min(size) < 4])
async def test_a_thin_picture_gets_no_colours_that_it_cannot_contain(
    real: Triton, model: Model, size: tuple[int, int]
) -> None:
    await skip_without(real, model)
    for colour in ((255, 0, 0), (0, 0, 254), (250, 240, 10), (0, 128, 129)):
        pixels = np.full((size[1], size[0], 3), colour, np.uint8)
        pixels[-1, -1, 2] += 1

        image = await rendered(Picture(pixels, "PNG"), model, real)

        assert np.abs(np.asarray(image).astype(int) - colour).max() <= 3


@pytest.mark.parametrize("size", SIZES)
def test_loss_may_change_one_colour_by_a_level(size: tuple[int, int]) -> None:
    pixels = np.full((size[1], size[0], 3), TEAL, np.uint8)
    pixels[-1, -1, 2] += 1
    lossy, lossless = Picture(pixels, "JXL", is_lossless=False), Picture(pixels, "JXL")

    colour = one_colour(lossy)

    assert colour is not None
    assert tuple(colour) == tuple(pixels[0, 0])
    assert (one_colour(lossless) is None) == (size != (1, 1))


@pytest.mark.parametrize("hidden", [(0, 128, 129), (255, 0, 0), (0, 0, 0)])
async def test_a_shape_of_one_colour_keeps_its_colour_and_its_soft_edge(
    real: Triton, hidden: tuple[int, int, int]
) -> None:
    alpha = np.asarray(as_rgba(ramp()))[:, :, 3]
    pixels = np.where(alpha[:, :, np.newaxis] > 0, np.array(TEAL, np.uint8), np.array(hidden, np.uint8))
    picture = Picture(pixels, "PNG", alpha=alpha, has_alpha=True)

    samples = np.asarray(await rendered(picture, CLEAN, real))

    assert (samples[:, :, :3] == TEAL).all()
    assert len(np.unique(samples[:, :, 3])) > 40


def a_plain_picture(size: tuple[int, int]) -> Picture:
    return Picture(np.asarray(Image.new("RGB", size, TEAL)), "PNG")
