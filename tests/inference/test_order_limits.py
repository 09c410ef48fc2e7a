"""Each work order carries the pixel limits of `images`, and the worker's decoder and pipeline apply them."""

from collections.abc import AsyncIterator

import numpy as np
import psutil
import pytest
from PIL import Image

from common import errors
from images.convert import to_order
from inference.decoding.child import Limits
from inference.decoding.pool import Decoder, Undecodable
from inference.networks.network import Answer
from inference.picture import Animation, Picture
from inference.pipeline import render
from inference.render_spec import RenderSpec
from inference.tiling.tiles import Tiling
from tests.images.harness import Harness, delete_everything, insert_image
from tests.images.test_uploads import build_upload
from tests.inference.built_models import FAITHFUL
from tests.pixels import encoded

MEGAPIXELS_60 = (8_000, 7_500)
"""At a factor of 2 the result has 240 megapixels and a side of 16,000."""


@pytest.fixture
async def harness(images_running: Harness) -> Harness:
    await delete_everything(images_running)
    return images_running


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


@pytest.fixture(scope="module")
def large() -> bytes:
    return encoded(Image.new("L", MEGAPIXELS_60, 200), "PNG")


def memory_limit(decoder: Decoder) -> int:
    [child] = decoder._pool.children
    return psutil.Process(child.pid).rlimit(psutil.RLIMIT_AS)[0]


async def test_a_larger_original_is_accepted_and_decoded_if_the_setting_is_raised(
    harness: Harness, decoder: Decoder, large: bytes
) -> None:
    raised = harness.settings.model_copy(update={"largest_input_pixels": 60_000_000})

    image, _ = await harness.uploads(settings=raised).accept(1, build_upload(large))
    order = to_order(image, raised)
    picture = await decoder.decode(large, order.largest_input_pixels)

    assert order.largest_input_pixels == 60_000_000
    assert isinstance(picture, Picture)
    assert picture.size == MEGAPIXELS_60
    assert memory_limit(decoder) == Limits().memory_bytes * 6 // 5 + 1


async def test_by_default_a_larger_original_is_refused_at_upload_and_by_the_decoder(
    harness: Harness, decoder: Decoder, large: bytes
) -> None:
    with pytest.raises(errors.InvalidArgument) as refused:
        await harness.uploads().accept(1, build_upload(large))
    with pytest.raises(Undecodable) as undecodable:
        await decoder.decode(large)

    assert refused.value.fields == {"image": ["The image may not have more than 50 megapixels."]}
    assert undecodable.value.reason == "too_many_pixels"


async def test_an_image_accepted_under_a_higher_limit_is_still_decoded(harness: Harness) -> None:
    image = await insert_image(harness.sessions, original_width=8000, original_height=7500)

    order = to_order(image, harness.settings)

    assert order.largest_input_pixels == 60_000_000


async def test_a_child_decodes_only_files_with_its_own_limit(decoder: Decoder) -> None:
    small = encoded(Image.new("L", (30, 20)), "PNG")

    await decoder.decode(small)
    [first] = decoder._pool.children
    await decoder.decode(small, 50_000_000)
    assert decoder._pool.children == {first}
    await decoder.decode(small, 100_000_000)

    assert first not in decoder._pool.children
    assert memory_limit(decoder) == 2 * Limits().memory_bytes


async def test_a_lower_limit_of_pixels_does_not_lower_the_memory_limit(decoder: Decoder) -> None:
    with pytest.raises(Undecodable) as caught:
        await decoded(decoder, (30, 20), most_pixels=599)

    assert caught.value.reason == "too_many_pixels"
    assert memory_limit(decoder) == Limits().memory_bytes


async def decoded(decoder: Decoder, size: tuple[int, int], most_pixels: int) -> Picture | Animation:
    return await decoder.decode(encoded(Image.new("L", size), "PNG"), most_pixels)


async def test_an_animation_above_the_limit_of_its_order_is_not_rendered() -> None:
    frame = Picture(
        pixels=np.zeros((10, 10, 3), np.uint8),
        alpha=None,
        icc=None,
        exif=None,
        source_format="GIF",
        has_alpha=False,
    )
    spec = RenderSpec((20, 20), "GIF", FAITHFUL.networks, Tiling(64), most_pixels=799)

    with pytest.raises(Undecodable) as caught:
        await render(Animation([frame, frame], [100, 100], None), spec, infer_nothing)

    assert caught.value.reason == "too_many_pixels"


async def infer_nothing(*_: object) -> Answer:
    raise AssertionError("no tile may be computed")
