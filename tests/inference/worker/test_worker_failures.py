"""The failures that cost an image an attempt, which are excused, and when it fails for good."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest

from common import messages
from images.domain import library
from images.tables import Status
from inference import store_outage
from inference.networks.network import BadAnswer
from inference.triton.canary import CANARY
from inference.triton.errors import TritonFailed
from loupe_local.stores import Stores
from tests.images.harness import RULES, list_keys, poll
from tests.images.store_proxies import FailingStore
from tests.inference.conftest import Answer, FaultyTriton, an_answer, doubled, pixels_of, triton_at
from tests.inference.scratch_triton import QUICK, scratch_triton
from tests.inference.worker.harness import STANDARD, Harness, PausedTriton, a_message, was_called


@pytest.mark.parametrize(
    ("code", "is_excused"), [(grpc.StatusCode.UNAVAILABLE, True), (grpc.StatusCode.INTERNAL, False)]
)
async def test_only_a_triton_that_is_away_excuses_the_attempt(
    harness: Harness, faulty: FaultyTriton, code: grpc.StatusCode, is_excused: bool
) -> None:
    faulty.answer = aborting(code)
    image = await harness.job()

    with pytest.raises(messages.RetryLater if is_excused else TritonFailed):
        await harness.do(image)

    found = await harness.row(image)
    assert (found.status, found.attempt, found.excused) == (Status.PROCESSING, 1, int(is_excused))
    assert found.heartbeat_at is None
    assert await harness.results() == []


async def test_while_triton_cannot_be_reached_no_attempt_begins(harness: Harness) -> None:
    """An attempt would be excused, but an image with too many excuses fails."""
    image = await harness.job()

    async with triton_at("127.0.0.1:9", seconds=1) as nowhere:
        with pytest.raises(messages.RetryLater, match="Triton is away"):
            await replace(harness.worker, triton=nowhere).handle(a_message(image), STANDARD)

    found = await harness.row(image)
    assert (found.status, found.attempt, found.excused) == (Status.PENDING, 0, 0)


async def test_a_hanging_triton_costs_an_attempt(harness: Harness, faulty: FaultyTriton) -> None:
    faulty.answer = PausedTriton()
    image = await harness.job()

    async with triton_at(faulty.target, seconds=0.5) as impatient:
        with pytest.raises(TritonFailed):
            await replace(harness.worker, triton=impatient).handle(a_message(image), STANDARD)

    found = await harness.row(image)
    assert (found.attempt, found.excused) == (1, 0)


async def test_a_wrong_answer_costs_an_attempt_and_stores_nothing(
    harness: Harness, faulty: FaultyTriton
) -> None:
    async def small(*_: Any) -> Any:
        return an_answer(np.zeros((1, 3, 16, 24), np.uint8))

    faulty.answer = except_for_canaries(small)
    image = await harness.job()

    with pytest.raises(BadAnswer):
        await harness.do(image)

    found = await harness.row(image)
    assert (found.attempt, found.excused) == (1, 0)
    assert await list_keys(harness.images) == [image.original_path]


@pytest.mark.parametrize("level", [0, 77])
async def test_a_black_or_blank_answer_costs_an_attempt_and_stores_nothing(
    harness: Harness, faulty: FaultyTriton, level: int
) -> None:
    async def blank(*_: Any) -> Any:
        return an_answer(np.full((1, 3, 32, 48), level, np.uint8))

    faulty.answer = except_for_canaries(blank)
    image = await harness.job()

    with pytest.raises(BadAnswer, match=r"span_x2 answered (black|one colour) for the tile at 0, 0"):
        await harness.do(image)

    found = await harness.row(image)
    assert (found.attempt, found.excused) == (1, 0)
    assert await list_keys(harness.images) == [image.original_path]


def except_for_canaries(answer: Answer) -> Answer:
    """Return wrong answers for the picture and right answers for test tiles."""

    async def either(request: Any, context: Any) -> Any:
        is_canary = np.array_equal(pixels_of(request), CANARY)
        return await (doubled if is_canary else answer)(request, context)

    return either


async def test_a_triton_that_answers_everything_wrongly_costs_no_attempt_and_gets_no_more_jobs(
    harness: Harness, faulty: FaultyTriton
) -> None:
    async def black(request: Any, _: Any) -> Any:
        return an_answer(np.zeros_like(pixels_of(request)).repeat(2, axis=2).repeat(2, axis=3))

    faulty.answer = black
    first, second = [await harness.job() for _ in range(2)]

    with pytest.raises(messages.RetryLater, match="black for a test tile"):
        await harness.do(first)
    with pytest.raises(messages.RetryLater, match="Triton answers wrongly"):
        await harness.do(second)
    is_healthy_meanwhile = harness.worker.triton.is_healthy
    faulty.answer = doubled
    await harness.worker.triton.send_canaries(["span_x2"], 3600)
    await harness.do(first)

    assert not is_healthy_meanwhile
    assert harness.worker.triton.is_healthy
    assert [
        (image.attempt, image.excused) for image in (await harness.row(first), await harness.row(second))
    ] == [
        (2, 1),
        (0, 0),
    ]
    assert [result.image_id for result in await harness.results()] == [first.id]


async def test_a_missing_original_costs_an_attempt(harness: Harness) -> None:
    image = await harness.job()
    await harness.images.blobs.delete([image.original_path])

    with pytest.raises(Exception, match="NoSuchKey"):
        await harness.do(image)

    found = await harness.row(image)
    assert (found.attempt, found.excused, found.heartbeat_at) == (1, 0, None)


async def test_a_store_that_stays_away_excuses_the_attempt(harness: Harness) -> None:
    image = await harness.job()
    nowhere = harness.images.blobs_at("http://127.0.0.1:9")
    away = replace(harness.worker, blobs=nowhere, patience_seconds=0.0)

    with pytest.raises(messages.RetryLater):
        await away.handle(a_message(image), STANDARD)

    assert (await harness.row(image)).excused == 1


@pytest.mark.parametrize(
    ("status", "media"), [(429, "application/xml"), (507, "application/xml"), (507, "text/html")]
)
@pytest.mark.parametrize("method", [b"GET", b"PUT"])
async def test_an_attempt_survives_a_store_that_fails_for_a_while(
    harness: Harness, stores: Stores, monkeypatch: pytest.MonkeyPatch, method: bytes, status: int, media: str
) -> None:
    """A full store answers 507, and a busy one 429. Other faults of a server are repeated by its client."""
    monkeypatch.setattr(store_outage, "FIRST_PAUSE_SECONDS", 0.01)
    image = await harness.job()

    async with FailingStore(stores.s3.endpoint, method, status, times=2, media=media) as store:
        patient = replace(harness.worker, blobs=harness.images.blobs_at(store.address))
        await patient.handle(a_message(image), STANDARD)

    assert store.refused == 2
    assert [result.WhichOneof("outcome") for result in await harness.results()] == ["output"]
    found = await harness.row(image)
    assert (found.attempt, found.excused) == (1, 0)


async def test_a_result_that_no_store_takes_is_dropped_when_its_image_is_cancelled(
    harness: Harness, stores: Stores
) -> None:
    image = await harness.job()

    async with FailingStore(stores.s3.endpoint, b"PUT", 507, times=1000) as store:
        blobs = harness.images.blobs_at(store.address)
        patient = replace(harness.worker, blobs=blobs, heartbeat_seconds=0.1)
        working = asyncio.create_task(patient.handle(a_message(image), STANDARD))
        await asyncio.wait_for(store.has_refused.wait(), 20)
        async with harness.images.sessions.begin() as session:
            await library.delete(session, image.user_id, image.id or 0, RULES)
        with pytest.raises(messages.RetryLater):
            await asyncio.wait_for(working, 20)

    assert await harness.results() == []
    assert image.upscaled_path not in await list_keys(harness.images)


async def test_an_image_that_always_fails_ends_after_its_attempts(
    harness: Harness, faulty: FaultyTriton
) -> None:
    faulty.answer = aborting(grpc.StatusCode.INTERNAL)
    image = await harness.job()
    await harness.submit(image)

    async with harness.consuming():
        await poll(harness.has_no_jobs)

    found = await harness.row(image)
    assert (found.status, found.failure_code, found.attempt) == (Status.FAILED, "attempts_exhausted", 3)
    assert await harness.results() == []


async def test_an_image_waits_for_triton_however_often_it_is_away(
    harness: Harness, faulty: FaultyTriton
) -> None:
    faulty.answer = aborting(grpc.StatusCode.UNAVAILABLE)
    image = await harness.job()
    await harness.submit(image)

    async with harness.consuming():
        await poll(lambda: was_called(faulty, 5))
        faulty.answer = doubled
        await poll(harness.has_result)

    [finished] = await harness.results()
    assert finished.HasField("output")
    assert finished.fence > RULES.attempts


async def test_a_model_that_dies_costs_no_attempt(
    harness: Harness, tmp_path_factory: pytest.TempPathFactory
) -> None:
    image = await harness.job()
    async with (
        scratch_triton(tmp_path_factory.mktemp("triton")) as scratch,
        triton_at(scratch.target, seconds=30) as triton,
    ):
        scratch.kill(QUICK)
        await replace(harness.worker, triton=triton).handle(a_message(image), STANDARD)

    assert [one.HasField("output") for one in await harness.results()] == [True]
    assert (await harness.row(image)).attempt == 1


def aborting(code: grpc.StatusCode) -> Callable[[Any, Any], Awaitable[Any]]:
    async def answer(_: Any, context: Any) -> Any:
        await context.abort(code, "as the test wants it")

    return answer
