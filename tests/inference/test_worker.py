"""A job as the worker does it: with the real queue, store, decoder and images; Triton may misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import grpc
import numpy as np
import pytest
from nats.js import JetStreamContext
from PIL import Image
from pixels import encoded, opened

from common import bus, messages, outbox
from common.blobs import Blobs
from common.db import now
from common.metrics import Readiness
from images.domain import batches, jobs, library, queue_estimate
from images.events import JOBS
from images.tables import Image as Row
from images.tables import Status
from inference import events
from inference.availability import Availability
from inference.decoding.pool import Decoder
from inference.networks.network import BadAnswer
from inference.settings import Settings
from inference.tiling.tiles import Tiling
from inference.triton.client import CANARY
from inference.triton.errors import TritonFailed
from inference.worker import Turns, Worker
from loupe.images.v1 import images_pb2
from loupe.inference.v1 import inference_pb2
from loupe_local.services import services
from loupe_local.stores import Stores
from tests.images.images_rig import RULES, Rig, a_batch, an_image, emptied, keys, poll, row
from tests.inference.built_models import ENHANCE_SMALL, MODELS
from tests.inference.conftest import Answer, FaultyTriton, an_answer, doubled, pixels_of, triton_at
from tests.inference.scratch import QUICK, scratch_triton

PHOTO = encoded(Image.effect_noise((24, 16), 80).convert("RGB"), "PNG")


@pytest.fixture
async def rig(images_running: Rig) -> Rig:
    await emptied(images_running)
    return images_running


@pytest.fixture
async def js(stores: Stores) -> AsyncGenerator[JetStreamContext]:
    """The two streams that a worker stands between, empty."""
    async with bus.connection(stores.nats_url("inference"), "tests", Readiness()) as client:
        js = client.jetstream()
        await bus.declare(js, JOBS, events.RESULTS, bus.DEAD)
        for stream in ("JOBS", "RESULTS"):
            await js.purge_stream(stream)
        yield js
        for stream in ("JOBS", "RESULTS"):
            await js.delete_stream(stream)


@pytest.fixture(scope="module")
async def decoder() -> AsyncGenerator[Decoder]:
    decoder = Decoder(processes=1)
    yield decoder
    await decoder.aclose()


@dataclass
class Bench:
    """A worker, what it is given, and what it has told."""

    rig: Rig
    js: JetStreamContext
    worker: Worker

    async def job(self, data: bytes = PHOTO, **fields: Any) -> Row:
        """An image with its original stored, as images has it when it publishes the job."""
        sizes = {"original_width": 24, "original_height": 16, "upscaled_width": 48, "upscaled_height": 32}
        image = await an_image(self.rig.sessions, **(sizes | fields))
        await self.rig.blobs.put(image.original_path, data, "image/png")
        return image

    async def do(self, image: Row) -> None:
        """Once, without the queue."""
        await self.worker.submitted(a_message(image))

    async def submit(self, image: Row) -> None:
        await self.js.publish("images.submitted.standard", a_message(image))

    @contextlib.asynccontextmanager
    async def consuming(self, ack_wait_seconds: float = 1.0) -> AsyncGenerator[asyncio.Task[None]]:
        consumer = replace(events.submitted(ack_wait_seconds), longest_pause_seconds=0.1)
        consuming = asyncio.create_task(bus.consume(self.js, consumer, self.worker.submitted))
        yield consuming
        await ended(consuming)

    @contextlib.asynccontextmanager
    async def hearing(self, worker: Worker, stores: Stores) -> AsyncGenerator[None]:
        """What images has in its outbox is published, and the worker listens as its process does."""
        url = stores.database_url("images")
        relaying = asyncio.create_task(outbox.relay(self.rig.sessions, self.rig.js, url))
        async with bus.connection(stores.nats_url("inference"), "tests", Readiness()) as client:
            await client.subscribe("images.cancelled", cb=worker.cancellations.receive)
            await client.flush()
            yield
        await ended(relaying)

    async def told(self) -> list[inference_pb2.Finished]:
        """Every result in the stream, oldest first."""
        state = (await self.js.stream_info("RESULTS")).state
        numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
        messages = [await self.js.get_msg("RESULTS", number) for number in numbers]
        return [inference_pb2.Finished.FromString(message.data or b"") for message in messages]

    async def has_told(self) -> bool:
        return bool(await self.told())

    async def is_idle(self) -> bool:
        """No job is left in the stream: each one was acknowledged."""
        return (await self.js.stream_info("JOBS")).state.messages == 0

    async def row(self, image: Row) -> Row:
        return await row(self.rig.sessions, image.id)


def a_message(image: Row) -> bytes:
    return images_pb2.ImageSubmitted(image_id=image.id or 0).SerializeToString()


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


@pytest.fixture
async def bench(
    rig: Rig, js: JetStreamContext, faulty: FaultyTriton, decoder: Decoder, stores: Stores
) -> AsyncGenerator[Bench]:
    given = services(stores, {}).environment("inference")
    settings = Settings(**{name.removeprefix("INFERENCE_").lower(): text for name, text in given.items()})  # pyright: ignore[reportArgumentType]
    async with triton_at(faulty.target, seconds=20) as triton:
        availability = Availability(triton)
        availability.models = MODELS
        worker = Worker(
            images=rig.service(),
            blobs=Blobs(settings.store()),
            triton=triton,
            availability=availability,
            decoder=decoder,
            publish=events.Teller(js).finished,
            tiling=Tiling(64),
            heartbeat_seconds=0.1,
        )
        yield Bench(rig, js, worker)


class Held:
    """A Triton that answers when the test lets it."""

    def __init__(self) -> None:
        self.arrived, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, request: Any, context: Any) -> Any:
        self.arrived.set()
        await self.opened.wait()
        return await doubled(request, context)

    async def holds(self) -> None:
        await asyncio.wait_for(self.arrived.wait(), 20)


def aborting(code: grpc.StatusCode) -> Callable[[Any, Any], Awaitable[Any]]:
    async def answer(_: Any, context: Any) -> Any:
        await context.abort(code, "as the test wants it")

    return answer


async def test_a_job_is_done_and_told_with_the_stored_result(bench: Bench) -> None:
    image = await bench.job()
    await bench.submit(image)

    async with bench.consuming():
        await poll(bench.has_told)
        await poll(bench.is_idle)

    [finished] = await bench.told()
    stored = await bench.rig.blobs.get(image.upscaled_path)
    assert (finished.image_id, finished.fence, finished.upscaled_path) == (image.id, 1, image.upscaled_path)
    assert (finished.output.bytes, finished.output.width, finished.output.height) == (len(stored), 48, 32)
    assert finished.output.seconds > 0
    assert (opened(stored).format, opened(stored).size) == ("PNG", (48, 32))
    nearest = Image.fromarray(np.asarray(opened(PHOTO)).repeat(2, 0).repeat(2, 1))
    assert opened(stored).tobytes() == nearest.tobytes()


async def test_a_job_delivered_twice_is_done_once(bench: Bench, faulty: FaultyTriton) -> None:
    image = await bench.job()
    await bench.do(image)
    async with bench.rig.sessions.begin() as session:
        await jobs.finish(session, (await bench.told())[0], RULES)

    await bench.do(image)

    assert len(await bench.told()) == 1
    assert faulty.asked == 1
    assert (await bench.row(image)).status == Status.COMPLETED


@pytest.mark.parametrize("data", [b"no picture", PHOTO[:60], b""])
async def test_a_picture_that_cannot_be_decoded_fails_for_good(
    bench: Bench, faulty: FaultyTriton, data: bytes
) -> None:
    image = await bench.job(data)
    await bench.submit(image)

    async with bench.consuming():
        await poll(bench.has_told)
        await poll(bench.is_idle)

    [finished] = await bench.told()
    assert (finished.failure.code, finished.failure.retryable) == ("undecodable", False)
    assert finished.failure.message
    assert not finished.HasField("output")
    assert faulty.asked == 0
    assert await keys(bench.rig) == [image.original_path]


async def test_work_that_is_not_wanted_any_more_stops_and_tells_nothing(
    bench: Bench, faulty: FaultyTriton
) -> None:
    faulty.answer = held = Held()
    image = await bench.job()
    await bench.submit(image)

    async with bench.consuming():
        await held.holds()
        async with bench.rig.sessions.begin() as session:
            await library.delete(session, image.user_id, image.id or 0, RULES)
        await poll(bench.is_idle)

    assert await bench.told() == []
    assert image.upscaled_path not in await keys(bench.rig)


@pytest.mark.parametrize("is_in_a_batch", [False, True], ids=["deleted", "cancelled"])
async def test_a_cancellation_is_heard_without_waiting_for_the_next_sign_of_life(
    bench: Bench, faulty: FaultyTriton, stores: Stores, is_in_a_batch: bool
) -> None:
    faulty.answer = held = Held()
    batch, _ = await a_batch(bench.rig.sessions, count=0, total_images=1)
    image = await bench.job(batch_id=batch.id if is_in_a_batch else None)
    rarely = replace(bench.worker, heartbeat_seconds=3600.0)
    working = asyncio.create_task(rarely.submitted(a_message(image)))
    await held.holds()

    async with bench.hearing(rarely, stores):
        async with bench.rig.sessions.begin() as session:
            if is_in_a_batch:
                await batches.delete(session, image.user_id, batch.id or 0, RULES)
            else:
                await library.delete(session, image.user_id, image.id or 0, RULES)
        await asyncio.wait_for(working, 20)

    assert await bench.told() == []


async def test_news_of_a_cancellation_do_not_stop_an_image_that_is_wanted_again(
    bench: Bench, faulty: FaultyTriton, stores: Stores
) -> None:
    faulty.answer = held = Held()
    image, other = await bench.job(), await bench.job()
    asking = Asking(bench.rig)
    rarely = replace(bench.worker, heartbeat_seconds=3600.0, images=asking)  # pyright: ignore[reportArgumentType]
    working = asyncio.create_task(rarely.submitted(a_message(image)))
    await held.holds()

    async with bench.hearing(rarely, stores):
        for cancelled in (other, image):
            event = images_pb2.ImageEnded(image_id=cancelled.id or 0)
            await bench.js.publish("images.cancelled", event.SerializeToString())
        await poll(asking.has_asked)
        held.opened.set()
        await asyncio.wait_for(working, 20)

    assert asking.asked == [image.id]
    assert [one.HasField("output") for one in await bench.told()] == [True]


class Asking:
    """The real service, and which images were asked about."""

    def __init__(self, rig: Rig) -> None:
        self._images = rig.service()
        self.asked = list[int]()
        self.StartWork, self.StopWork = self._images.StartWork, self._images.StopWork

    async def KeepWorking(self, request: images_pb2.KeepWorkingRequest) -> Any:
        self.asked.append(request.image_id)
        return await self._images.KeepWorking(request)

    async def has_asked(self) -> bool:
        return bool(self.asked)


async def test_a_worker_whose_image_another_one_has_stops_too(bench: Bench, faulty: FaultyTriton) -> None:
    faulty.answer = held = Held()
    image = await bench.job()
    working = asyncio.create_task(bench.do(image))
    await held.holds()

    async with bench.rig.sessions.begin() as session:
        await jobs.start(session, image.id or 0, replace(RULES, silent=timedelta(0)))
    await asyncio.wait_for(working, 10)

    assert await bench.told() == []
    assert (await bench.row(image)).attempt == 2


async def test_a_job_that_wants_no_work_is_acknowledged(bench: Bench, faulty: FaultyTriton) -> None:
    deleted = await bench.job(status=Status.COMPLETED)
    await bench.submit(deleted)
    await bench.js.publish(
        "images.submitted.priority", images_pb2.ImageSubmitted(image_id=987).SerializeToString()
    )

    async with bench.consuming():
        await poll(bench.is_idle)

    assert await bench.told() == []
    assert faulty.asked == 0


async def test_a_busy_image_is_asked_for_again_later(bench: Bench, faulty: FaultyTriton) -> None:
    faulty.answer = held = Held()
    image = await bench.job()
    working = asyncio.create_task(bench.do(image))
    await held.holds()

    with pytest.raises(messages.RetryLater):
        await bench.do(image)
    held.opened.set()
    await working

    assert len(await bench.told()) == 1


async def test_an_image_of_the_priority_queue_goes_first_and_nobody_is_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_estimate, "READ_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(queue_estimate, "SHARE_OF_TIME", 1e9)
    bench.worker = replace(bench.worker, turns=Turns(started=1))  # the first start is nobody's own turn
    usual = [await bench.job(dispatched_at=now()) for _ in range(2)]
    first = await bench.job(user_id=2, dispatched_at=now(), is_priority=True)
    for image in (*usual, first):
        await bench.submit(image)

    async def have_ended() -> bool:
        return len(await bench.told()) == 3

    async with bench.consuming():
        await poll(have_ended)

    assert [told.image_id for told in await bench.told()] == [image.id for image in (first, *usual)]
    assert {(await bench.row(image)).attempt for image in (*usual, first)} == {1}


async def test_one_of_five_starts_is_for_the_image_whose_turn_it_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_estimate, "READ_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(queue_estimate, "SHARE_OF_TIME", 1e9)
    usual = await bench.job(dispatched_at=now())
    for _ in range(6):
        await bench.job(user_id=2, dispatched_at=now(), is_priority=True)
    bench.worker = replace(bench.worker, turns=Turns(started=1))
    given = list[int]()

    for _ in range(5):
        try:
            await bench.do(usual)
        except messages.PutBack as put_back:
            await put_back.work()
        given.append((await bench.told())[-1].image_id)

    assert given.count(usual.id or 0) == 1
    assert given[-1] == usual.id


async def test_each_fifth_start_is_for_the_usual_queue_however_many_of_the_priority_queue_wait(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_estimate, "READ_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(queue_estimate, "SHARE_OF_TIME", 1e9)
    bench.worker = replace(bench.worker, turns=Turns(started=1))
    usual = [await bench.job(dispatched_at=now()) for _ in range(2)]
    first = [await bench.job(user_id=2, dispatched_at=now(), is_priority=True) for _ in range(12)]
    for image in (usual[0], *first[:4], usual[1], *first[4:]):
        await bench.submit(image)

    async def have_ended() -> bool:
        return len(await bench.told()) == 14

    async with bench.consuming():
        await poll(have_ended)
        await poll(bench.is_idle)

    order = [told.image_id for told in await bench.told()]
    assert [order.index(image.id or 0) for image in usual] == [4, 9]


async def test_a_worker_that_is_told_to_stop_gives_the_other_image_back_too(
    bench: Bench, faulty: FaultyTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_estimate, "READ_AGAIN_SECONDS", 0.0)
    faulty.answer = held = Held()
    bench.worker = replace(bench.worker, turns=Turns(started=1))
    usual = await bench.job(dispatched_at=now())
    first = await bench.job(user_id=2, dispatched_at=now(), is_priority=True)
    for image in (usual, first):
        await bench.submit(image)

    async with bench.consuming():
        await held.holds()

    given_back, untouched = await bench.row(first), await bench.row(usual)
    assert (given_back.attempt, given_back.excused, given_back.heartbeat_at) == (1, 1, None)
    assert (untouched.attempt, untouched.status) == (0, Status.PENDING)
    assert (await bench.js.stream_info("JOBS")).state.messages == 2


async def test_images_that_are_away_are_waited_for(bench: Bench) -> None:
    image = await bench.job()
    worker = replace(bench.worker, images=nowhere(bench.rig))

    with pytest.raises(messages.RetryLater):
        await worker.submitted(a_message(image))

    assert (await bench.row(image)).attempt == 0


def nowhere(rig: Rig) -> Any:
    return replace(rig, target="127.0.0.1:9", channels=rig.channels).service()


@pytest.mark.parametrize(
    ("code", "is_excused"), [(grpc.StatusCode.UNAVAILABLE, True), (grpc.StatusCode.INTERNAL, False)]
)
async def test_only_a_triton_that_is_away_excuses_the_attempt(
    bench: Bench, faulty: FaultyTriton, code: grpc.StatusCode, is_excused: bool
) -> None:
    faulty.answer = aborting(code)
    image = await bench.job()

    with pytest.raises(messages.RetryLater if is_excused else TritonFailed):
        await bench.do(image)

    found = await bench.row(image)
    assert (found.status, found.attempt, found.excused) == (Status.PROCESSING, 1, int(is_excused))
    assert found.heartbeat_at is None
    assert await bench.told() == []


async def test_while_triton_cannot_be_reached_no_attempt_begins(bench: Bench) -> None:
    """Excuses end some day: an image of which many were made is taken for the cause."""
    image = await bench.job()

    async with triton_at("127.0.0.1:9", seconds=1) as nowhere:
        with pytest.raises(messages.RetryLater, match="Triton is away"):
            await replace(bench.worker, triton=nowhere).submitted(a_message(image))

    found = await bench.row(image)
    assert (found.status, found.attempt, found.excused) == (Status.PENDING, 0, 0)


async def test_a_hanging_triton_costs_an_attempt(bench: Bench, faulty: FaultyTriton) -> None:
    faulty.answer = Held()
    image = await bench.job()

    async with triton_at(faulty.target, seconds=0.5) as impatient:
        with pytest.raises(TritonFailed):
            await replace(bench.worker, triton=impatient).submitted(a_message(image))

    found = await bench.row(image)
    assert (found.attempt, found.excused) == (1, 0)


async def test_a_wrong_answer_costs_an_attempt_and_stores_nothing(bench: Bench, faulty: FaultyTriton) -> None:
    async def small(*_: Any) -> Any:
        return an_answer(np.zeros((1, 3, 16, 24), np.uint8))

    faulty.answer = but_for_canaries(small)
    image = await bench.job()

    with pytest.raises(BadAnswer):
        await bench.do(image)

    found = await bench.row(image)
    assert (found.attempt, found.excused) == (1, 0)
    assert await keys(bench.rig) == [image.original_path]


@pytest.mark.parametrize("level", [0, 77])
async def test_a_black_or_blank_answer_costs_an_attempt_and_stores_nothing(
    bench: Bench, faulty: FaultyTriton, level: int
) -> None:
    async def blank(*_: Any) -> Any:
        return an_answer(np.full((1, 3, 32, 48), level, np.uint8))

    faulty.answer = but_for_canaries(blank)
    image = await bench.job()

    with pytest.raises(BadAnswer, match=r"span_x2 answered (black|one colour) for the tile at 0, 0"):
        await bench.do(image)

    found = await bench.row(image)
    assert (found.attempt, found.excused) == (1, 0)
    assert await keys(bench.rig) == [image.original_path]


def but_for_canaries(answer: Answer) -> Answer:
    """As a picture that the model does not bear: all else is answered rightly."""

    async def either(request: Any, context: Any) -> Any:
        is_canary = np.array_equal(pixels_of(request), CANARY)
        return await (doubled if is_canary else answer)(request, context)

    return either


async def test_a_triton_that_answers_everything_wrongly_costs_no_attempt_and_is_asked_for_no_other(
    bench: Bench, faulty: FaultyTriton
) -> None:
    async def black(request: Any, _: Any) -> Any:
        return an_answer(np.zeros_like(pixels_of(request)).repeat(2, axis=2).repeat(2, axis=3))

    faulty.answer = black
    first, second = [await bench.job() for _ in range(2)]

    with pytest.raises(messages.RetryLater, match="black for a test tile"):
        await bench.do(first)
    with pytest.raises(messages.RetryLater, match="Triton answers wrongly"):
        await bench.do(second)
    is_well_meanwhile = bench.worker.triton.is_well
    faulty.answer = doubled
    await bench.worker.triton.ask_canaries(["span_x2"], 3600)
    await bench.do(first)

    assert not is_well_meanwhile
    assert bench.worker.triton.is_well
    assert [
        (image.attempt, image.excused) for image in (await bench.row(first), await bench.row(second))
    ] == [
        (2, 1),
        (0, 0),
    ]
    assert [told.image_id for told in await bench.told()] == [first.id]


async def test_an_original_that_is_gone_costs_an_attempt(bench: Bench) -> None:
    image = await bench.job()
    await bench.rig.blobs.delete([image.original_path])

    with pytest.raises(Exception, match="NoSuchKey"):
        await bench.do(image)

    found = await bench.row(image)
    assert (found.attempt, found.excused, found.heartbeat_at) == (1, 0, None)


async def test_a_store_that_is_away_excuses_the_attempt(bench: Bench) -> None:
    image = await bench.job()
    away = replace(bench.worker, blobs=bench.rig.blobs_at("http://127.0.0.1:9"))

    with pytest.raises(messages.RetryLater):
        await away.submitted(a_message(image))

    assert (await bench.row(image)).excused == 1


async def test_an_image_that_always_fails_ends_after_its_attempts(bench: Bench, faulty: FaultyTriton) -> None:
    faulty.answer = aborting(grpc.StatusCode.INTERNAL)
    image = await bench.job()
    await bench.submit(image)

    async with bench.consuming():
        await poll(bench.is_idle)

    found = await bench.row(image)
    assert (found.status, found.failure_code, found.attempt) == (Status.FAILED, "attempts_exhausted", 3)
    assert await bench.told() == []


async def test_a_triton_that_comes_back_finds_the_image_waiting(bench: Bench, faulty: FaultyTriton) -> None:
    """However often it was away."""
    faulty.answer = aborting(grpc.StatusCode.UNAVAILABLE)
    image = await bench.job()
    await bench.submit(image)

    async with bench.consuming():
        await poll(lambda: asked(faulty, 5))
        faulty.answer = doubled
        await poll(bench.has_told)

    [finished] = await bench.told()
    assert finished.HasField("output")
    assert finished.fence > RULES.attempts


async def test_a_model_that_dies_costs_no_attempt(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    image = await bench.job()
    async with (
        scratch_triton(tmp_path_factory.mktemp("triton")) as scratch,
        triton_at(scratch.target, seconds=30) as triton,
    ):
        scratch.kill(QUICK)
        await replace(bench.worker, triton=triton).submitted(a_message(image))

    assert [one.HasField("output") for one in await bench.told()] == [True]
    assert (await bench.row(image)).attempt == 1


async def asked(faulty: FaultyTriton, times: int) -> bool:
    return faulty.asked >= times


async def test_a_job_longer_than_the_streams_patience_is_delivered_once(
    bench: Bench, faulty: FaultyTriton
) -> None:
    faulty.answer = held = Held()
    image = await bench.job()
    await bench.submit(image)

    async with bench.consuming(ack_wait_seconds=0.5):
        await held.holds()
        with contextlib.suppress(TimeoutError):
            await poll(lambda: asked(faulty, 2), seconds=2)
        held.opened.set()
        await poll(bench.has_told)
        await poll(bench.is_idle)

    assert faulty.asked == 1
    assert (await bench.row(image)).attempt == 1
    assert len(await bench.told()) == 1


async def test_a_worker_that_is_stopped_hands_its_image_on_at_once(
    bench: Bench, faulty: FaultyTriton
) -> None:
    faulty.answer = held = Held()
    image = await bench.job()
    await bench.submit(image)
    async with bench.consuming(ack_wait_seconds=30) as first:
        await held.holds()
        await ended(first)
    stopped = await bench.row(image)

    faulty.answer = doubled
    async with bench.consuming(ack_wait_seconds=30):
        await poll(bench.has_told, seconds=10)

    assert (stopped.attempt, stopped.excused, stopped.heartbeat_at) == (1, 1, None)
    assert [finished.fence for finished in await bench.told()] == [2]


async def test_a_result_told_twice_is_in_the_stream_once(bench: Bench) -> None:
    finished = inference_pb2.Finished(image_id=5, fence=2)

    for _ in range(3):
        await bench.worker.publish(finished)
    await bench.worker.publish(inference_pb2.Finished(image_id=5, fence=3))

    assert [one.fence for one in await bench.told()] == [2, 3]


async def test_while_images_is_away_the_work_goes_on(bench: Bench, faulty: FaultyTriton) -> None:
    """Images starts the work, and then nobody hears the worker's signs of life."""
    faulty.answer = held = Held()
    image = await bench.job()
    deaf = Deaf(bench.rig)
    working = asyncio.create_task(replace(bench.worker, images=deaf).submitted(a_message(image)))  # pyright: ignore[reportArgumentType]
    await held.holds()

    await poll(deaf.was_tried)
    held.opened.set()
    await asyncio.wait_for(working, 20)

    assert [one.HasField("output") for one in await bench.told()] == [True]


class Deaf:
    """The real service for the start, and an address where nobody listens for what follows."""

    def __init__(self, rig: Rig) -> None:
        self._away = nowhere(rig)
        self._tried = 0
        self.StartWork = rig.service().StartWork
        self.StopWork = self._away.StopWork

    async def KeepWorking(self, request: images_pb2.KeepWorkingRequest) -> Any:
        self._tried += 1
        return await self._away.KeepWorking(request)

    async def was_tried(self) -> bool:
        return self._tried >= 2


async def test_a_picture_takes_the_model_that_it_asks_for(bench: Bench, faulty: FaultyTriton) -> None:
    async def fourfold(request: Any, _: Any) -> Any:
        return an_answer(pixels_of(request).repeat(4, axis=2).repeat(4, axis=3))

    faulty.answer = fourfold
    bench.worker.availability.models = {**MODELS, "enhance": ENHANCE_SMALL}
    image = await bench.job(model_asked="enhance")

    await bench.do(image)

    [finished] = await bench.told()
    assert (finished.output.model, finished.output.model_reason) == ("enhance", "asked_for")


async def test_an_image_whose_model_nobody_has_any_more_fails_and_is_no_job(
    bench: Bench, faulty: FaultyTriton
) -> None:
    image = await bench.job(model_asked="enhance")
    await bench.submit(image)

    async with bench.consuming():
        await poll(bench.is_idle)

    found = await bench.row(image)
    assert (found.status, found.failure_code, found.attempt) == (Status.FAILED, "model_unavailable", 0)
    assert (faulty.asked, await bench.told()) == (0, [])


async def test_an_image_whose_model_another_worker_has_waits_for_that_one(
    bench: Bench, faulty: FaultyTriton
) -> None:
    offers = [images_pb2.AnnounceModelsRequest.Offer(name="enhance", nets=["realesr_general_x4v3"])]
    await bench.rig.service().AnnounceModels(images_pb2.AnnounceModelsRequest(models=offers))
    image = await bench.job(model_asked="enhance")

    with pytest.raises(messages.RetryLater):
        await bench.do(image)

    found = await bench.row(image)
    assert (found.status, found.attempt, faulty.asked) == (Status.PENDING, 0, 0)


async def test_a_model_that_goes_while_the_picture_is_decoded_excuses_the_attempt(bench: Bench) -> None:
    bench.worker.availability.models = {**MODELS, "enhance": ENHANCE_SMALL}
    going = Going(bench.rig, bench.worker.availability)
    image = await bench.job(model_asked="enhance")

    with pytest.raises(messages.RetryLater, match="enhance is not served"):
        await replace(bench.worker, images=going).submitted(a_message(image))  # pyright: ignore[reportArgumentType]

    found = await bench.row(image)
    assert (found.status, found.attempt, found.excused) == (Status.PROCESSING, 1, 1)
    assert await bench.told() == []


class Going:
    """The real service, and with the order that it gives the model goes."""

    def __init__(self, rig: Rig, availability: Availability) -> None:
        self._images, self._availability = rig.service(), availability
        self.StopWork, self.KeepWorking = self._images.StopWork, self._images.KeepWorking

    async def StartWork(self, request: images_pb2.StartWorkRequest) -> Any:
        response = await self._images.StartWork(request)
        self._availability.models = MODELS
        return response
