"""A job is done by the model that its image asks for, or waits, or fails."""

from dataclasses import replace
from typing import Any

import pytest

from common import messages
from images.tables import Status
from inference.availability import Availability
from loupe.images.v1 import images_pb2
from tests.images.harness import Harness as ImagesHarness
from tests.images.harness import poll
from tests.inference.built_models import ENHANCE_SMALL, MODELS
from tests.inference.conftest import FaultyTriton, an_answer, pixels_of
from tests.inference.worker.harness import STANDARD, Harness, a_message


async def test_an_image_is_upscaled_by_the_model_that_it_asks_for(
    harness: Harness, faulty: FaultyTriton
) -> None:
    async def fourfold(request: Any, _: Any) -> Any:
        return an_answer(pixels_of(request).repeat(4, axis=2).repeat(4, axis=3))

    faulty.answer = fourfold
    harness.worker.availability.models = {**MODELS, "enhance": ENHANCE_SMALL}
    image = await harness.job(model_asked="enhance")

    await harness.do(image)

    [finished] = await harness.results()
    assert (finished.output.model, finished.output.model_reason) == ("enhance", "asked_for")
    assert finished.output.strength == 1


async def test_a_strength_runs_both_networks_and_is_told(harness: Harness, faulty: FaultyTriton) -> None:
    used = set[str]()

    async def enlarged(request: Any, _: Any) -> Any:
        used.add(request.model_name)
        scale = 4 if "x4" in request.model_name else 2
        return an_answer(pixels_of(request).repeat(scale, axis=2).repeat(scale, axis=3))

    faulty.answer = enlarged
    harness.worker.availability.models = {**MODELS, "enhance": ENHANCE_SMALL}
    image = await harness.job(model_asked="enhance", strength_asked=0.4)

    await harness.do(image)

    [finished] = await harness.results()
    assert (finished.output.model, finished.output.strength) == ("enhance", 0.4)
    assert used == {"span_x2", "realesr_general_x4v3"}


async def test_an_image_whose_model_no_worker_has_any_more_fails_without_an_attempt(
    harness: Harness, faulty: FaultyTriton
) -> None:
    image = await harness.job(model_asked="enhance")
    await harness.submit(image)

    async with harness.consuming():
        await poll(harness.has_no_jobs)

    found = await harness.row(image)
    assert (found.status, found.failure_code, found.attempt) == (Status.FAILED, "model_unavailable", 0)
    assert (faulty.requests, await harness.results()) == (0, [])


async def test_an_image_whose_model_another_worker_has_waits_for_that_worker(
    harness: Harness, faulty: FaultyTriton
) -> None:
    offers = [images_pb2.AnnounceModelsRequest.Offer(name="enhance", nets=["realesr_general_x4v3"])]
    await harness.images.service().AnnounceModels(images_pb2.AnnounceModelsRequest(models=offers))
    image = await harness.job(model_asked="enhance")

    with pytest.raises(messages.RetryLater):
        await harness.do(image)

    found = await harness.row(image)
    assert (found.status, found.attempt, faulty.requests) == (Status.PENDING, 0, 0)


async def test_a_model_that_disappears_during_decoding_excuses_the_attempt(
    harness: Harness,
) -> None:
    harness.worker.availability.models = {**MODELS, "enhance": ENHANCE_SMALL}
    disappearing = DisappearingModel(harness.images, harness.worker.availability)
    image = await harness.job(model_asked="enhance")

    with pytest.raises(messages.RetryLater, match="enhance is not served"):
        await replace(harness.worker, images=disappearing).handle(a_message(image), STANDARD)  # pyright: ignore[reportArgumentType]

    found = await harness.row(image)
    assert (found.status, found.attempt, found.excused) == (Status.PROCESSING, 1, 1)
    assert await harness.results() == []


class DisappearingModel:
    """The real service. The model disappears as soon as work on an image has started."""

    def __init__(self, images_harness: ImagesHarness, availability: Availability) -> None:
        self._images, self._availability = images_harness.service(), availability
        self.StopWork, self.KeepWorking = self._images.StopWork, self._images.KeepWorking

    async def StartWork(self, request: images_pb2.StartWorkRequest) -> Any:
        response = await self._images.StartWork(request)
        self._availability.models = MODELS
        return response
