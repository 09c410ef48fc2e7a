"""Starts the inference worker."""

import functools

from common import bus, log, metrics, process, trace
from common.blobs import Blobs
from common.channel import Channel
from common.credentials import Credentials
from inference import events, registry
from inference.codec import Decoder
from inference.settings import Settings
from inference.triton import Triton
from inference.worker import Worker
from loupe.images.v1 import images_pb2, images_pb2_grpc


async def run() -> None:
    settings = Settings()  # pyright: ignore[reportCallIssue]  the environment fills it
    log.setup("inference", level=settings.log_level, readable=settings.log_readable)
    trace.setup("inference")
    readiness = metrics.Readiness("object store", "triton", "images", "broker")
    await process.run(metrics.serve(settings.metrics_listen, readiness), serve(settings, readiness))


async def serve(settings: Settings, readiness: metrics.Readiness) -> None:
    blobs = Blobs(settings.store())
    await process.wait_for("object store", blobs.ping)
    readiness.have("object store")
    triton = Triton(settings.triton_target, in_flight=settings.tiles_in_flight, seconds=settings.tile_seconds)
    await process.wait_for("triton", functools.partial(triton.wait_ready, *sorted(registry.served())))
    readiness.have("triton")
    credentials = Credentials(settings.auth_target, "inference", settings.client_secret)
    service = images_pb2.DESCRIPTOR.services_by_name["ImagesService"]
    images = Channel(settings.images_target, service, credentials.token_for("images"))
    await process.wait_for("images", images.ready)
    readiness.watch("images", images.is_connected)
    decoder = Decoder(processes=settings.parallel)
    async with bus.connection(settings.nats_url, "inference", readiness) as nc:
        js = nc.jetstream()
        await process.wait_for("streams", lambda: bus.declare(js, events.RESULTS, bus.DEAD))
        worker = Worker(
            images=images_pb2_grpc.ImagesServiceStub(images.grpc),
            blobs=blobs,
            triton=triton,
            decoder=decoder,
            publish=events.Teller(js).finished,
            tile=settings.tile,
            heartbeat_seconds=settings.heartbeat_seconds,
        )
        await nc.subscribe("images.cancelled", cb=worker.cancellations.heard)
        try:
            await bus.consume(
                js,
                events.submitted(settings.ack_wait_seconds),
                worker.submitted,
                parallel=settings.parallel,
            )
        finally:
            await decoder.aclose()
            await triton.close()


if __name__ == "__main__":
    process.main(run)
