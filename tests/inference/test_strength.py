"""`strength` blends `enhance` over `faithful`, with networks that are pure functions."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from inference.mixing import Mix, mix_of
from inference.networks.auto import NotServed, choose_model
from inference.networks.network import Answer, BadAnswer, Network
from inference.picture import Picture, Pixels
from tests.inference.built_models import ENHANCE_SMALL, MODELS
from tests.inference.pictures import upscaled
from tests.inference.test_upscale import a_picture, nearest

FAITHFUL = (Network("span_x2", 2, 4), Network("span_x4", 4, 4))
ENHANCE = (Network("realesr_general_x4v3", 4, 12),)
SERVED = {**MODELS, "enhance": ENHANCE_SMALL}
ALPHA = np.arange(97 * 61, dtype=np.uint16).astype(np.uint8).reshape(61, 97)


async def infer(name: str, tensor: Pixels) -> Answer:
    """Return the repeated pixels, for `enhance` those of the negative."""
    if name.startswith("span"):
        await asyncio.sleep(0)  # the other network is ahead
        return Answer(await nearest(name.removesuffix("_float"), tensor))
    white = 255 if tensor.dtype == np.uint8 else 1
    return Answer((white - tensor).astype(tensor.dtype).repeat(4, axis=2).repeat(4, axis=3))


@pytest.mark.parametrize("strength", [0.3, 0.99])
@pytest.mark.parametrize(
    "picture",
    [
        a_picture((97, 61)),
        a_picture((97, 61), grey=True),
        a_picture((97, 61), alpha=ALPHA),
        replace(a_picture((97, 61)), pixels=a_picture((97, 61)).pixels * np.uint16(257)),
    ],
    ids=["colour", "grey", "alpha", "16 bits"],
)
@pytest.mark.parametrize("size", [(388, 244), (194, 122), (250, 157)])
async def test_each_pixel_is_the_blend_of_both_results(
    picture: Picture, size: tuple[int, int], strength: float
) -> None:
    under = await upscaled(picture, size, infer, networks=FAITHFUL, tile=64)
    over = await upscaled(picture, size, infer, networks=ENHANCE, tile=64)

    for tile in (64, 512):
        mix = Mix(FAITHFUL, strength)
        result = await upscaled(picture, size, infer, networks=ENHANCE, mix=mix, tile=tile)

        expected = under.pixels + (over.pixels.astype(float) - under.pixels) * strength
        assert np.abs(result.pixels - expected).max() <= 0.51
        assert np.array_equal(np.asarray(result.alpha), np.asarray(under.alpha))


@pytest.mark.parametrize("failing", ["span_x2", "realesr_general_x4v3"])
async def test_a_failure_of_either_network_ends_the_other(failing: str) -> None:
    async def fail(name: str, tensor: Pixels) -> Answer:
        if name == failing:
            raise BadAnswer(name)
        return await infer(name, tensor)

    with pytest.raises(BadAnswer, match=failing):
        await upscaled(
            a_picture((97, 97)), (194, 194), fail, networks=ENHANCE, mix=Mix(FAITHFUL, 0.5), tile=40
        )


async def test_progress_is_that_of_both_networks_and_never_goes_back() -> None:
    shares: list[float] = []

    await upscaled(
        a_picture((97, 97)),
        (194, 194),
        infer,
        networks=ENHANCE,
        mix=Mix(FAITHFUL, 0.5),
        tile=40,
        progress=shares.append,
    )

    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(shares) > 10


@pytest.mark.parametrize(
    ("strength", "networks", "under"),
    [
        (None, ENHANCE_SMALL.networks, None),
        (1.0, ENHANCE_SMALL.networks, None),
        (0.0, MODELS["faithful"].networks, None),
        (0.4, ENHANCE_SMALL.networks, MODELS["faithful"].networks),
    ],
)
def test_the_ends_of_the_range_are_the_models_themselves(
    strength: float | None, networks: tuple[Network, ...], under: tuple[Network, ...] | None
) -> None:
    choice = choose_model("enhance", a_picture(), SERVED, strength=strength)

    mix = mix_of(choice.model)
    assert (choice.model.name, choice.model.networks) == ("enhance", networks)
    assert choice.model.strength == (1 if strength is None else strength)
    assert mix == (Mix(under, strength) if under and strength else None)


def test_other_models_have_no_strength() -> None:
    choices = [choose_model(name, a_picture(), SERVED) for name in ("auto", *MODELS)]

    assert {choice.model.strength for choice in choices} == {None}


def test_enhance_is_not_blended_without_faithful() -> None:
    with pytest.raises(NotServed, match="faithful"):
        choose_model("enhance", a_picture(), {"enhance": ENHANCE_SMALL}, strength=0.5)
