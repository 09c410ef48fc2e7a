"""An estimate agrees with what an upload of such a picture then becomes."""

import random
from typing import Any

import pytest
from PIL import Image

from common import errors
from images.domain import queue_estimate
from images.domain.work import Speeds
from images.tables import Image as Row
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness, poll, read_image
from tests.images.test_images_rpc import send_upload
from tests.images.upload_traces import nothing_is_left, set_plan
from tests.pixels import encoded

JANE = 1
REQUESTS = 200
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
MODES = {"PNG": ("L", "RGB", "RGBA"), "WEBP": ("RGB", "RGBA"), "TIFF": ("RGB",)}
SIDES = (1, 2, 7, 16, 40, 97)
HUGE = (7072, 7071)
"""Just over 50 megapixels."""


def a_picture(chance: random.Random) -> tuple[str, tuple[int, int], str]:
    """Return format, size and mode of a picture. A few have too many pixels."""
    if chance.random() < 0.02:
        return "PNG", HUGE, "1"
    format_ = chance.choice(FORMATS)
    return format_, (chance.choice(SIDES), chance.choice(SIDES)), chance.choice(MODES.get(format_, ("RGB",)))


def some_options(chance: random.Random, size: tuple[int, int]) -> dict[str, Any]:
    """Return options, of which about a third refuse the upload."""
    width, height = size
    sizes: list[dict[str, Any]] = [
        {},
        {"scale_factor": chance.choice((2, 3, 4))},
        {"scale_factor": chance.choice((1, 5, "two", ""))},
        {"target_width": width * chance.choice((1, 2, 3, 5))},
        {"target_height": height * chance.choice((2, 4))},
        {"target_width": width * 2, "target_height": height * chance.choice((2, 3)), "fit": "contain"},
        {"scale_factor": 2, "target_width": width * 2},
        {"fit": "cover"},
    ]
    others: list[dict[str, Any]] = [
        {},
        {},
        {"output_format": chance.choice(("png", "webp", "jpeg", "avif", "nothing"))},
        {"model": chance.choice(("auto", "faithful", "clean", "pixel", "unknown"))},
        {"quality": chance.choice((1, 100, 101))},
        {"dpi": 300, "metadata": chance.choice(("keep", "lose"))},
    ]
    return {name: str(value) for name, value in (chance.choice(sizes) | chance.choice(others)).items()}


async def estimate(harness: Harness, **fields: Any) -> pb.EstimateResponse:
    return await harness.user(JANE, "user:read").Estimate(pb.EstimateRequest(**fields))


async def upload(harness: Harness, data: bytes, options: dict[str, str]) -> Row | errors.ServiceError:
    """Upload the file, and return the row of the image, or the refusal."""
    try:
        answer = await harness.user(JANE).Upscale(send_upload(data, **options))
    except (errors.InvalidArgument, errors.PermissionDenied) as error:
        return error
    return await read_image(harness.sessions, answer.image.id)


async def test_size_model_format_and_acceptance_of_200_random_requests_are_those_of_the_uploads(
    harness: Harness,
) -> None:
    await set_plan(harness, "enterprise")
    chance, accepted = random.Random(17), 0

    for number in range(REQUESTS):
        format_, size, mode = a_picture(chance)
        options = some_options(chance, size)
        saving = {"quality": 95} if format_ == "JPEG" else {}
        data = encoded(Image.new(mode, size), format_, **saving)
        told = await estimate(
            harness,
            width=str(size[0]),
            height=str(size[1]),
            format=format_.lower(),
            size=str(len(data)),
            transparent=str(mode == "RGBA").lower(),
            options=pb.UpscaleRequest.Options(**options),
            max_scale=4,
        )

        real = await upload(harness, data, options)

        told_refusals = [
            (each.code, {field.name: [*field.texts] for field in each.fields}) for each in told.refusals
        ]
        context = (number, format_, size, mode, options)
        if isinstance(real, errors.ServiceError):
            assert told_refusals == [(real.reason, real.fields)], context
            continue
        accepted += 1
        assert told_refusals == [], context
        assert (told.result_size.width, told.result_size.height) == (
            real.upscaled_width,
            real.upscaled_height,
        ), context
        assert pb.Format.Name(told.result_format) == f"FORMAT_{real.upscaled_format}", context
        assert told.model == real.model_asked, context
    assert REQUESTS / 4 < accepted < REQUESTS


async def test_an_estimate_stores_and_reserves_nothing(harness: Harness) -> None:
    answer = await estimate(harness, width="1920", height="1080")

    assert (answer.result_size.width, answer.result_size.height) == (3840, 2160)
    assert not answer.refusals
    assert await nothing_is_left(harness)


async def test_the_plans_largest_scale_refuses_and_the_result_is_told_all_the_same(harness: Harness) -> None:
    options = pb.UpscaleRequest.Options(scale_factor="4")

    answer = await estimate(harness, width="10", height="10", options=options, max_scale=2)

    assert [field.name for field in answer.refusals[0].fields] == ["scale_factor"]
    assert answer.result_size.width == 40


async def test_a_file_that_is_too_large_would_be_refused(harness: Harness) -> None:
    answer = await estimate(harness, width="10", height="10", size=str((10 << 20) + 1))

    texts = {field.name: [*field.texts] for field in answer.refusals[0].fields}
    assert texts == {"image": ["The image may not be greater than 10 MB."]}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, {"width", "height"}),
        ({"width": "0", "height": "3"}, {"width"}),
        ({"width": "4", "height": "x"}, {"height"}),
        ({"width": "4", "height": "3", "format": "svg"}, {"format"}),
        ({"width": "4", "height": "3", "size": "-1", "transparent": "1"}, {"size", "transparent"}),
    ],
)
async def test_a_picture_that_is_not_described_is_refused(
    harness: Harness, fields: dict[str, str], wrong: set[str]
) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await estimate(harness, **fields)

    assert {*caught.value.fields} == wrong


async def test_without_a_known_speed_no_seconds_are_told(harness: Harness) -> None:
    answer = await estimate(harness, width="100", height="100")

    assert not answer.HasField("seconds")


async def test_the_seconds_are_a_range_around_the_likely_ones(harness: Harness) -> None:
    async with harness.sessions.begin() as session:
        await queue_estimate.announce_worker(session, "w", Speeds({}, 1.0, 0.0), 1)

    async def told() -> pb.EstimateResponse.Seconds | None:
        answer = await estimate(harness, width="2000", height="1000")
        return answer.seconds if answer.HasField("seconds") else None

    await poll(told)  # the queue was read a moment ago, before the worker announced itself
    seconds = await told()

    assert seconds
    assert 1 <= seconds.low < seconds.likely < seconds.high
