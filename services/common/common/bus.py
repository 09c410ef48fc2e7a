"""NATS JetStream: streams that their publisher declares, and consumers that are functions which raise.

`consume` owns fetch, heartbeat, acknowledgement and retry. Return acknowledges, an error means again after a
pause, `messages.Unprocessable` or the last attempt means `give_up`, a copy under `dead.`, and never again.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge

from common import lag, log, messages, metrics, process, trace

LOG = log.get(__name__)
FETCH_SECONDS = 5.0
DEAD = api.StreamConfig(name="DEAD", subjects=["dead.>"], storage=api.StorageType.FILE, max_age=30 * 86_400)

connected = Gauge("loupe_nats_connected", "Whether the broker is there")
losses = Counter("loupe_nats_disconnects_total", "Connections to the broker that were lost")


@contextlib.asynccontextmanager
async def connection(url: str, name: str, readiness: metrics.Readiness) -> AsyncGenerator[Client]:
    """Waits for the broker, keeps the connection while the block lasts, and closes it with all sent."""
    leaving = asyncio.Event()
    client = await process.wait_for("broker", functools.partial(_connect, url, name, leaving))
    readiness.watch("broker", lambda: client.is_connected)
    connected.set_function(lambda: client.is_connected)
    try:
        yield client
    finally:
        leaving.set()
        await client.close()


async def _connect(url: str, name: str, leaving: asyncio.Event) -> Client:
    """Comes back by itself for as long as the process lives."""

    async def on_error(error: Exception) -> None:
        LOG.warning("broker", error=f"{type(error).__name__}: {error}")

    async def on_disconnect() -> None:
        if not leaving.is_set():
            losses.inc()
            LOG.warning("broker lost")

    async def on_reconnect() -> None:
        LOG.info("broker back")

    return await nats.connect(
        url,
        name=name,
        connect_timeout=2,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
    )


def stream(name: str, *subjects: str, work_queue: bool = False, days: float = 7) -> api.StreamConfig:
    """Durable. Events stay for a while so that a consumer made later than its publisher misses none; a work
    queue's messages stay until they are done, and a full one refuses new ones rather than drop old ones.
    """
    return api.StreamConfig(
        name=name,
        subjects=list(subjects),
        storage=api.StorageType.FILE,
        retention=api.RetentionPolicy.WORK_QUEUE if work_queue else api.RetentionPolicy.LIMITS,
        discard=api.DiscardPolicy.NEW if work_queue else api.DiscardPolicy.OLD,
        max_age=0 if work_queue else days * 86_400,
    )


async def declare(js: JetStreamContext, *streams: api.StreamConfig, replicas: int = 1) -> None:
    """Creates each stream, held by so many servers, or brings one that is there up to date."""
    for each in streams:
        config = each.evolve(num_replicas=replicas)
        try:
            await js.add_stream(config)
        except nats.js.errors.BadRequestError:
            await js.update_stream(config)


async def publish(
    js: JetStreamContext, subject: str, data: bytes, *, message_id: str, origin: trace.Origin | None = None
) -> None:
    """Returns when the stream has it. The message carries the request that it belongs to: `origin`, or the
    one at work.
    """
    carrier = origin.headers() if origin else None
    told = messages.described("publish", "send", subject) | {"messaging.message.id": message_id}
    with trace.span(f"publish {subject}", SpanKind.PRODUCER, told, carrier=carrier):
        headers = (carrier or {}) | dict(trace.outgoing_headers()) | {"Nats-Msg-Id": message_id}
        await js.publish(subject, data, headers=headers, timeout=5)


async def consume(
    js: JetStreamContext,
    consumer: messages.Consumer,
    handle: messages.Handler,
    give_up: messages.GiveUp | None = None,
    *,
    parallel: int = 1,
) -> None:
    """Runs for ever, `parallel` messages at a time. A broker that is away is waited for."""
    is_bound = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(parallel):
            group.create_task(_loop(js, consumer, handle, give_up, is_bound))
        await is_bound.wait()
        await lag.watch(js, consumer.stream, consumer.durable)


async def _loop(
    js: JetStreamContext,
    consumer: messages.Consumer,
    handle: messages.Handler,
    give_up: messages.GiveUp | None,
    is_bound: asyncio.Event,
) -> None:
    subscription: JetStreamContext.PullSubscription | None = None
    while True:
        process.end_if_cancelled()
        try:
            subscription = subscription or await _bind(js, consumer)
            is_bound.set()
            message = (await subscription.fetch(1, timeout=FETCH_SECONDS))[0]
        except nats.errors.TimeoutError:
            continue
        except (nats.errors.Error, OSError) as error:
            LOG.warning("consumer waits", durable=consumer.durable, error=f"{type(error).__name__}: {error}")
            if subscription:
                with contextlib.suppress(nats.errors.Error):
                    await subscription.unsubscribe()  # else it would go on taking messages for nobody
            subscription = None
            await asyncio.sleep(1.0)
            continue
        await messages.take(js, consumer, message, handle, give_up)


async def _bind(js: JetStreamContext, consumer: messages.Consumer) -> JetStreamContext.PullSubscription:
    """Declares the durable each time: one that was lost with its stream's storage comes back."""
    await js.add_consumer(
        consumer.stream,
        api.ConsumerConfig(
            durable_name=consumer.durable,
            filter_subjects=list(consumer.subjects),
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=consumer.ack_wait_seconds,
            max_deliver=-1,
            max_ack_pending=10_000,
        ),
    )
    return await js.pull_subscribe_bind(consumer.durable, consumer.stream)
