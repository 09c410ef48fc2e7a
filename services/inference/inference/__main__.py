"""Starts the inference worker."""

from nats.js import JetStreamContext

from common import bus, log, metrics, process, tls, trace, walls
from common.blobs import Blobs
from common.channel import Channel
from common.credentials import Credentials
from common.streams import Streams
from confinement.walls import protect_parent
from inference import events
from inference.availability import Availability
from inference.decoding.pool import Decoder
from inference.large_places import JOBS_PER_PLACE, LargePlaces
from inference.settings import Settings
from inference.tiling.tiles import Tiling
from inference.triton import capacity
from inference.triton.client import Triton
from inference.worker import Worker
from loupe.images.v1 import images_pb2, images_pb2_grpc

LOG = log.get(__name__)
REUSED_BLOCK_BYTES = 32 << 20
"""Freed blocks of memory up to this size are reused. The pixels of a row of tiles fit into one. Otherwise the
system would take them back, and zero their pages at each new allocation.
"""


async def run() -> None:
    settings = Settings()  # pyright: ignore[reportCallIssue]  the environment fills it
    log.setup("inference", level=settings.log_level, readable=settings.log_readable)
    trace.setup("inference")
    metrics.setup("inference")
    readiness = metrics.Readiness("object store", "triton", "images", "broker", "streams")
    await process.run(
        metrics.serve(settings.metrics_listen, readiness),
        tls.end_when_renewed(settings.tls),
        serve(settings, readiness),
    )


async def serve(settings: Settings, readiness: metrics.Readiness) -> None:
    blobs = Blobs(settings.store())
    await process.wait_for("object store", lambda: blobs.ping_object("images/originals/.ping"))
    readiness.mark_ready("object store")
    triton = triton_of(settings)
    availability = Availability(triton, settings.models, commercial_only=settings.commercial_only)
    parallel, tiling = await process.wait_for("triton", lambda: open_triton(triton, availability, settings))
    readiness.watch("triton", lambda: triton.is_healthy)
    images = await channel_to_images(settings, readiness)
    decoder = await open_decoder(parallel)
    queues = events.Queues(settings.ack_wait_seconds)
    async with bus.connection(settings.nats_url, "inference", readiness, settings.broker_login) as nc:
        js = nc.jetstream()
        shared = (events.RESULTS, bus.DEAD)
        streams = Streams(js, readiness, shared=shared, replicas=settings.nats_replicas)
        await streams.declare()
        worker = Worker(
            images=images_pb2_grpc.ImagesServiceStub(images.grpc),
            blobs=blobs,
            triton=triton,
            availability=availability,
            queues=queues,
            decoder=decoder,
            publish=events.Results(js).publish,
            tiling=tiling,
            precision=settings.precision,
            heartbeat_seconds=settings.heartbeat_seconds,
            large_places=LargePlaces(parallel, queues.preference),
            preview_rules=settings.preview_rules,
        )
        await nc.subscribe("images.cancelled", cb=worker.cancellations.receive)
        try:
            await process.run_together(streams.keep_declared(), run_loops(js, worker, settings, parallel))
        finally:
            await decoder.aclose()
            await triton.close()


async def run_loops(js: JetStreamContext, worker: Worker, settings: Settings, parallel: int) -> None:
    """Announce the models, test them, and handle up to `parallel` large jobs at a time and small ones beside
    them, for ever.
    """
    availability, queues = worker.availability, worker.queues
    jobs_at_once = JOBS_PER_PLACE * parallel
    await process.run_together(
        process.every(
            settings.announce_seconds,
            lambda: availability.announce(worker.images, worker.throughput, parallel),
        ),
        worker.triton.watch(lambda: availability.network_names, settings.canary_seconds),
        bus.consume_by_preference(js, queues.preference, worker.handle, parallel=jobs_at_once),
    )


async def channel_to_images(settings: Settings, readiness: metrics.Readiness) -> Channel:
    credentials = Credentials(settings.auth_target, "inference", settings.client_secret, tls=settings.tls)
    service = images_pb2.DESCRIPTOR.services_by_name["ImagesService"]
    images = Channel(settings.images_target, service, credentials.token_for("images"), tls=settings.tls)
    await process.wait_for("images", images.ready)
    readiness.watch("images", images.is_connected)
    return images


def triton_of(settings: Settings) -> Triton:
    return Triton(
        settings.triton_target,
        seconds=settings.tile_seconds,
        shares_memory=settings.shared_memory,
        secret=settings.read_triton_secret(),
    )


async def open_decoder(parallel: int) -> Decoder:
    """Return the pool of decoding children. Announce the walls around them."""
    decoder = Decoder(processes=2 * parallel)  # a small image never waits until a large one is decoded
    walls.announce("decoding", {**protect_parent(), **await decoder.walls()})
    return decoder


async def open_triton(triton: Triton, availability: Availability, settings: Settings) -> tuple[int, Tiling]:
    """Return how many images are worked on at a time, and their tiling.

    Raises `TritonFailed` if a model is missing or does not answer.
    """
    await availability.ensure_required()
    await triton.open()
    await triton.send_canaries(sorted(availability.network_names))
    machine = capacity.measure_machine()
    triton_capacity = await triton.capacity(min(availability.network_names))
    parallel = settings.parallel or capacity.choose_jobs(machine, triton_capacity)
    in_flight = settings.tiles_in_flight or capacity.choose_tiles_in_flight(machine, triton_capacity)
    tile = settings.tile or capacity.choose_tile_side(triton_capacity)
    triton.limit_in_flight(in_flight)
    triton.is_gpu = triton_capacity.is_gpu
    LOG.info(
        "the worker adapts to this machine and to Triton",
        cores=machine.cores,
        memory_mib=machine.memory_bytes >> 20,
        triton="gpu" if triton_capacity.is_gpu else "cpu",
        parallel=parallel,
        tiles_in_flight=in_flight,
        tile=tile,
    )
    return parallel, Tiling(tile, in_flight, settings.fixed_tiles)


if __name__ == "__main__":
    process.main(run, largest_reused_bytes=REUSED_BLOCK_BYTES)
