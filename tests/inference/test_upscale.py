"""Upscales with models that are pure functions, so that every pixel is known."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference.networks.network import Answer, BadAnswer, Network
from inference.picture import Picture, Pixels
from tests.inference.built_models import FAITHFUL
from tests.inference.pictures import upscaled

PHOTO = Path(__file__).parents[2] / "docs" / "photos" / "astronaut.png"
SCALES = {network.name: network.scale for network in FAITHFUL.networks}
REACH = 6
SMALL = (Network("span_x2", scale=2, overlap=REACH),)


async def upscale(
    picture: Picture,
    size: tuple[int, int],
    model: Callable[[str, Pixels], Awaitable[Pixels]],
    **options: Any,
) -> Picture:
    """Upscale with a model that is never uncertain."""

    async def infer(name: str, tensor: Pixels) -> Answer:
        return Answer(await model(name, tensor))

    return await upscaled(picture, size, infer, **options)


async def nearest(name: str, tensor: Pixels) -> Pixels:
    return tensor.repeat(SCALES[name], axis=2).repeat(SCALES[name], axis=3)


async def bicubic(name: str, tensor: Pixels) -> Pixels:
    scale = SCALES[name]
    image = Image.fromarray(np.ascontiguousarray(tensor[0].transpose(1, 2, 0)))
    larger = image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC)
    return np.asarray(larger).transpose(2, 0, 1)[np.newaxis]


async def far_reaching(name: str, tensor: Pixels) -> Pixels:
    """Mix pixels that are up to REACH apart, with zeros beyond the border, as in a real network."""
    padded = np.pad(tensor.astype(np.int64), ((0, 0), (0, 0), (REACH + 1, REACH), (REACH + 1, REACH)))
    sums = padded.cumsum(axis=2).cumsum(axis=3)
    side = 2 * REACH + 1
    near = (
        sums[:, :, side:, side:]
        - sums[:, :, :-side, side:]
        - sums[:, :, side:, :-side]
        + sums[:, :, :-side, :-side]
    )
    return await nearest(name, (near * 7 % 251).astype(np.uint8))


@dataclass
class RecordingModel:
    """A model that records its requests."""

    names: list[str] = field(default_factory=list[str])
    running: int = 0
    most_running: int = 0

    async def __call__(self, name: str, tensor: Pixels) -> Pixels:
        self.names.append(name)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0.001)
        self.running -= 1
        return await nearest(name, tensor)


def a_picture(
    size: tuple[int, int] = (50, 40), *, grey: bool = False, alpha: Pixels | None = None
) -> Picture:
    image = Image.open(PHOTO).convert("L" if grey else "RGB").resize(size)
    pixels = np.array(image).reshape(size[1], size[0], -1)
    return Picture(pixels, "PNG", alpha=alpha, has_alpha=alpha is not None, icc=b"profile")


async def upscale_whole(picture: Picture) -> Pixels:
    """Return the network's result for the whole picture. A thin one is framed by copies of its border."""
    margin = 8 if min(picture.size) < 4 else 0
    framed = np.pad(picture.pixels, ((margin, margin), (margin, margin), (0, 0)), "edge")
    result = await far_reaching("span_x2", np.ascontiguousarray(framed.transpose(2, 0, 1)[np.newaxis]))
    return result[0].transpose(1, 2, 0)[
        2 * margin : 2 * (margin + picture.height), 2 * margin : 2 * (margin + picture.width)
    ]


@pytest.mark.parametrize("is_fixed", [False, True])
@pytest.mark.parametrize("height", [1, 31, 40, 41, 97])
async def test_the_tiled_result_equals_the_whole_one_for_every_size(height: int, is_fixed: bool) -> None:
    smallest = 2 if height == 1 else 1  # a picture of one colour needs no network
    for width in range(smallest, 140, 3):
        picture = a_picture((width, height))

        result = await upscale(
            picture, (width * 2, height * 2), far_reaching, networks=SMALL, tile=40, is_fixed=is_fixed
        )

        assert np.array_equal(result.pixels, await upscale_whole(picture)), width


async def test_an_overlap_below_the_reach_of_the_model_changes_the_result() -> None:
    picture = a_picture((97, 97))
    short = (Network("span_x2", scale=2, overlap=REACH - 1),)

    result = await upscale(picture, (194, 194), far_reaching, networks=short, tile=38)

    assert not np.array_equal(result.pixels, await upscale_whole(picture))


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ((51, 40), "span_x2"),
        ((100, 80), "span_x2"),
        ((101, 80), "span_x4"),
        ((50, 160), "span_x4"),
        ((200, 160), "span_x4"),
    ],
)
async def test_the_smallest_network_that_reaches_the_size_is_used(size: tuple[int, int], name: str) -> None:
    model = RecordingModel()

    result = await upscale(a_picture(), size, model)

    assert set(model.names) == {name}
    assert result.size == size


async def test_a_target_beyond_the_largest_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="no network"):
        await upscale(a_picture(), (201, 160), nearest)


@pytest.mark.parametrize("factor", [2, 3, 4])
async def test_the_result_looks_like_the_photo(factor: int) -> None:
    photo = a_picture((300, 200))
    size = (300 * factor, 200 * factor)

    result = await upscale(photo, size, bicubic, tile=128)

    expected = np.asarray(Image.fromarray(photo.pixels).resize(size, Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(result.pixels - expected).mean() < 1


async def test_grey_goes_through_the_model_as_colour_and_comes_back_as_one_channel() -> None:
    inputs: list[Pixels] = []

    async def tinting(name: str, tensor: Pixels) -> Pixels:
        inputs.append(tensor)
        tint = np.array([0, 1, 2], np.uint8).reshape(1, 3, 1, 1)
        return await nearest(name, tensor // 2 + tint)

    picture = a_picture(grey=True)

    result = await upscale(picture, (100, 80), tinting)

    assert inputs[0].shape == (1, 3, 40, 50)
    assert (inputs[0] == inputs[0][:, :1]).all()
    assert np.array_equal(result.pixels, (picture.pixels // 2 + 1).repeat(2, axis=0).repeat(2, axis=1))


async def test_alpha_comes_from_the_original_alpha_alone() -> None:
    alpha = np.asarray(Image.linear_gradient("L").resize((50, 40)))

    result = await upscale(a_picture(alpha=alpha), (150, 120), nearest)

    expected = Image.fromarray(alpha).resize((150, 120), Image.Resampling.LANCZOS)
    assert result.alpha is not None
    assert np.array_equal(result.alpha, np.asarray(expected))
    assert result.has_alpha


async def test_hidden_colours_do_not_reach_the_model() -> None:
    alpha = np.full((40, 50), 255, np.uint8)
    alpha[:, 25:] = 0
    picture = a_picture(alpha=alpha)
    picture.pixels[:, :25] = (200, 0, 0)
    picture.pixels[:, 25:] = (0, 255, 0)

    result = await upscale(picture, (200, 160), bicubic)

    assert np.abs(result.pixels[:, :100] - np.array([200, 0, 0])).max() <= 2


async def test_format_alpha_and_profile_of_the_original_are_kept() -> None:
    opaque = Picture(a_picture().pixels, "WEBP", has_alpha=True, is_lossless=False, icc=b"profile")

    result = await upscale(opaque, (100, 80), nearest)

    assert (result.source_format, result.has_alpha, result.alpha) == ("WEBP", True, None)
    assert (result.is_lossless, result.icc) == (False, b"profile")


@pytest.mark.parametrize("in_flight", [1, 2, 5])
async def test_as_many_tiles_as_allowed_are_in_flight(in_flight: int) -> None:
    model = RecordingModel()

    await upscale(a_picture((400, 300)), (800, 600), model, tile=64, in_flight=in_flight)

    assert model.most_running == in_flight


@pytest.mark.parametrize(
    "answer",
    [
        np.zeros((1, 3, 80, 99), np.uint8),
        np.zeros((1, 3, 40, 50), np.uint8),
        np.zeros((3, 80, 100), np.uint8),
        np.zeros((1, 3, 80, 100), np.float32),
        np.zeros(0, np.uint8),
    ],
)
async def test_an_answer_of_another_shape_or_type_is_refused(answer: Pixels) -> None:
    async def wrong(name: str, tensor: Pixels) -> Pixels:
        return answer

    with pytest.raises(BadAnswer):
        await upscale(a_picture(), (100, 80), wrong)


async def test_an_error_of_the_model_is_raised_unchanged_and_stops_the_other_tiles() -> None:
    requests = 0

    async def failing(name: str, tensor: Pixels) -> Pixels:
        nonlocal requests
        requests += 1
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await upscale(a_picture((400, 300)), (800, 600), failing, tile=64)

    assert requests <= 2


async def test_a_tile_that_is_cancelled_from_outside_is_an_error() -> None:
    requests = 0

    async def cancelling(name: str, tensor: Pixels) -> Pixels:
        nonlocal requests
        requests += 1
        if requests == 2:
            raise asyncio.CancelledError
        return await nearest(name, tensor)

    with pytest.raises(BadAnswer):
        await upscale(a_picture((400, 300)), (800, 600), cancelling, tile=64)


async def test_cancelling_stops_further_tiles() -> None:
    requested = asyncio.Event()
    calls = 0

    async def hanging(name: str, tensor: Pixels) -> Pixels:
        nonlocal calls
        calls += 1
        requested.set()
        return await asyncio.Future()

    work = asyncio.create_task(upscale(a_picture((400, 300)), (800, 600), hanging, tile=64))
    await requested.wait()

    work.cancel()

    with pytest.raises(asyncio.CancelledError):
        await work
    assert calls <= 2
