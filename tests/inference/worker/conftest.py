"""The streams, empty, and a worker between them."""

from collections.abc import AsyncGenerator

import pytest
from nats.js import JetStreamContext

from common import bus
from common.blobs import Blobs
from common.metrics import Readiness
from images.events import QUEUE
from inference import events
from inference.availability import Availability
from inference.decoding.pool import Decoder
from inference.previews.sides import PreviewRules
from inference.settings import Settings
from inference.tiling.tiles import Tiling
from inference.worker import Worker
from loupe_local.services import services
from loupe_local.stores import Stores
from tests.images.harness import Harness as ImagesHarness
from tests.images.harness import delete_everything
from tests.inference.built_models import MODELS
from tests.inference.conftest import FaultyTriton, triton_at
from tests.inference.worker.harness import JOBS_BEFORE, Harness


@pytest.fixture
async def images_harness(images_running: ImagesHarness) -> ImagesHarness:
    await delete_everything(images_running)
    return images_running


@pytest.fixture
async def js(stores: Stores) -> AsyncGenerator[JetStreamContext]:
    """The streams of jobs and results are empty. The stream of the release before does not exist."""
    async with bus.connection(stores.nats_url("operator"), "tests", Readiness()) as client:
        js = client.jetstream(timeout=30)  # a busy machine may take more than the usual 5 s
        await bus.declare(js, QUEUE, events.RESULTS, bus.DEAD)
        for stream in ("QUEUE", "RESULTS"):
            await js.purge_stream(stream)
        yield js
        for stream in ("QUEUE", "RESULTS"):
            await js.delete_stream(stream)


@pytest.fixture
async def js_before(js: JetStreamContext) -> AsyncGenerator[JetStreamContext]:
    """The stream of the release before is there, too, and empty."""
    await bus.declare(js, JOBS_BEFORE)
    await js.purge_stream("JOBS")
    yield js
    await js.delete_stream("JOBS")


@pytest.fixture(scope="module")
async def decoder() -> AsyncGenerator[Decoder]:
    decoder = Decoder(processes=1)
    yield decoder
    await decoder.aclose()


@pytest.fixture
async def harness(
    images_harness: ImagesHarness,
    js: JetStreamContext,
    faulty: FaultyTriton,
    decoder: Decoder,
    stores: Stores,
) -> AsyncGenerator[Harness]:
    given = services(stores, {}).environment("inference")
    settings = Settings(**{name.removeprefix("INFERENCE_").lower(): text for name, text in given.items()})  # pyright: ignore[reportArgumentType]
    async with triton_at(faulty.target, seconds=20) as triton:
        availability = Availability(triton)
        availability.models = MODELS
        worker = Worker(
            images=images_harness.service(),
            blobs=Blobs(settings.store()),
            triton=triton,
            availability=availability,
            queues=events.Queues(ack_wait_seconds=1.0),
            decoder=decoder,
            publish=events.Results(js).publish,
            tiling=Tiling(64),
            heartbeat_seconds=0.1,
            preview_rules=PreviewRules(is_on=False),
        )
        yield Harness(images_harness, js, worker)
