"""NATS JetStream: streams that their publisher declares, and consumers that are functions which raise.

`consume` owns fetch, heartbeat, acknowledgement and retry. Return acknowledges, an error means again after a
pause, `Unprocessable` or the last attempt means `give_up`, a copy under `dead.`, and never again.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

import nats
import nats.errors
import nats.js.errors
from google.protobuf.message import DecodeError
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from opentelemetry.trace import Span, SpanKind
from prometheus_client import Counter, Gauge

from common import lag, log, metrics, process, trace

LOG = log.get(__name__)
FETCH_SECONDS = 5.0
DEAD = api.StreamConfig(name="DEAD", subjects=["dead.>"], storage=api.StorageType.FILE, max_age=30 * 86_400)

connected = Gauge("loupe_nats_connected", "Whether the broker is there")
losses = Counter("loupe_nats_disconnects_total", "Connections to the broker that were lost")

Handler = Callable[[bytes], Awaitable[None]]
GiveUp = Callable[[bytes, Exception], Awaitable[None]]


class Unprocessable(Exception):
    """No attempt will ever succeed with this message."""


class Later(Exception):
    """Not now, and not the message's fault: something that handling it needs is away or taken."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """`durable` is named after the consuming service. `max_attempts` None: for ever."""

    stream: str
    durable: str
    subjects: tuple[str, ...]
    ack_wait_seconds: float = 30.0
    max_attempts: int | None = None
    longest_pause_seconds: float = 30.0

    def pause(self, attempt: int) -> float:
        """Seconds before the next attempt: 1, 2, 4, ... up to the longest."""
        return min(2.0 ** (attempt - 1), self.longest_pause_seconds)


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
    told = _described("publish", "send", subject) | {"messaging.message.id": message_id}
    with trace.span(f"publish {subject}", SpanKind.PRODUCER, told, carrier=carrier):
        headers = (carrier or {}) | dict(trace.outgoing()) | {"Nats-Msg-Id": message_id}
        await js.publish(subject, data, headers=headers, timeout=5)


def _described(name: str, kind: str, subject: str) -> dict[str, str | int]:
    return {
        "messaging.system": "nats",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": subject,
    }


async def consume(
    js: JetStreamContext,
    consumer: Consumer,
    handle: Handler,
    give_up: GiveUp | None = None,
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
    consumer: Consumer,
    handle: Handler,
    give_up: GiveUp | None,
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
        await _take(js, consumer, message, handle, give_up)


async def _bind(js: JetStreamContext, consumer: Consumer) -> JetStreamContext.PullSubscription:
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


async def _take(
    js: JetStreamContext, consumer: Consumer, message: Msg, handle: Handler, give_up: GiveUp | None
) -> None:
    """What is done with the message belongs to the request that it comes from."""
    headers = message.headers or {}
    request_id = headers.get(trace.REQUEST_ID_KEY, "")
    trace.request_id.set(request_id)
    told = _described("process", "process", message.subject) | {
        "messaging.consumer.group.name": consumer.durable,
        "messaging.message.body.size": len(message.data),
    }
    with (
        log.bound(**({"request_id": request_id} if request_id else {})),
        trace.span(f"process {message.subject}", SpanKind.CONSUMER, told, carrier=headers) as span,
    ):
        await _settle(js, consumer, message, handle, give_up, span)


async def _settle(
    js: JetStreamContext,
    consumer: Consumer,
    message: Msg,
    handle: Handler,
    give_up: GiveUp | None,
    span: Span,
) -> None:
    started, outcome = time.perf_counter(), "cancelled"
    try:
        process.end_if_cancelled()
        async with _heartbeat(message, consumer.ack_wait_seconds / 3):
            await handle(message.data)
    except asyncio.CancelledError:
        with contextlib.suppress(nats.errors.Error):
            await message.nak()
        raise
    except Exception as error:  # noqa: BLE001  this is the edge
        trace.fail(span, type(error).__qualname__, error)
        outcome = await _failed(js, consumer, message, error, give_up)
    else:
        outcome = await _acknowledge(message)
    finally:
        metrics.messages.labels(consumer.durable, outcome).inc()
        metrics.message_seconds.labels(consumer.durable).observe(time.perf_counter() - started)


async def _acknowledge(message: Msg) -> str:
    try:
        await message.ack_sync(timeout=5)
    except nats.errors.Error as error:
        LOG.warning("could not acknowledge", subject=message.subject, error=str(error))
        return "unacknowledged"
    return "done"


async def _failed(
    js: JetStreamContext, consumer: Consumer, message: Msg, error: Exception, give_up: GiveUp | None
) -> str:
    attempt = message.metadata.num_delivered
    is_last = consumer.max_attempts is not None and attempt >= consumer.max_attempts
    try:
        if isinstance(error, Later) or not (is_last or isinstance(error, Unprocessable | DecodeError)):
            details = {"reason": str(error)} if isinstance(error, Later) else {"exc_info": error}
            LOG.warning("again later", subject=message.subject, attempt=attempt, **details)
            await message.nak(delay=consumer.pause(attempt))
            return "again"
        LOG.error("giving up", subject=message.subject, attempt=attempt, exc_info=error)
        if give_up:
            await give_up(message.data, error)
        reason = f"{type(error).__name__}: {error}"[:500].replace("\n", " ")
        headers = dict(trace.outgoing()) | {"Loupe-Subject": message.subject, "Loupe-Error": reason}
        await js.publish(f"dead.{consumer.stream}.{consumer.durable}", message.data, headers=headers)
        await message.term()
    except Exception as failure:  # noqa: BLE001  the broker delivers it again after ack_wait
        LOG.warning("could not settle", subject=message.subject, error=str(failure))
        return "unsettled"
    return "dead"


@contextlib.asynccontextmanager
async def _heartbeat(message: Msg, seconds: float) -> AsyncGenerator[None]:
    async def beat() -> None:
        while True:
            await asyncio.sleep(seconds)
            with contextlib.suppress(nats.errors.Error):
                await message.in_progress()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
