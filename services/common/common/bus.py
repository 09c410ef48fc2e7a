"""NATS JetStream: streams that their publisher declares, and consumers whose handlers raise.

`consume` owns pull, heartbeat, acknowledgement and retry. If the handler returns, the message is done. If it
raises, another attempt follows after a pause. After `messages.Unprocessable` or the last attempt, a copy of
the message goes to the stream DEAD, and the message is never delivered again.
"""

import asyncio
import contextlib
import functools
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from urllib.parse import unquote, urlsplit

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge

from common import lag, log, messages, metrics, process, redrive, trace
from common.broker_login import BrokerLogin
from common.pulls import Puller
from common.repeated import Repeated

LOG = log.get(__name__)
REPEATED = Repeated(LOG)
DEAD = api.StreamConfig(name="DEAD", subjects=["dead.>"], storage=api.StorageType.FILE, max_age=30 * 86_400)

PASSWORD_ONLY = BrokerLogin()

Preference = Callable[[], Sequence[messages.Consumer]]
"""A function that returns the consumers of one process, the most preferred one first.

It is called before each message, so the order may change from message to message.
"""

connected = Gauge("loupe_nats_connected", "1 while the broker is connected")
losses = Counter("loupe_nats_disconnects_total", "Connections to the broker that were lost")


@contextlib.asynccontextmanager
async def connection(
    url: str, name: str, readiness: metrics.Readiness, login: BrokerLogin = PASSWORD_ONLY
) -> AsyncGenerator[Client]:
    """Yield a connection once the broker answers. On exit, pending messages are sent before it closes."""
    closing = asyncio.Event()
    client = await process.wait_for("broker", functools.partial(_connect, url, name, closing, login))
    readiness.watch("broker", lambda: client.is_connected)
    connected.set_function(lambda: client.is_connected)
    try:
        yield client
    finally:
        closing.set()
        await client.close()


async def _connect(url: str, name: str, closing: asyncio.Event, login: BrokerLogin) -> Client:
    """Return a connection that reconnects by itself for as long as the process lives."""
    options = login.options()
    renew = login.renewer(options)

    async def on_error(error: Exception) -> None:
        text = log.error_text(error)
        if "permissions violation" in text.lower():
            LOG.error(
                "broker refused", error=text, action="nothing; this user's permissions lack the subject"
            )
        else:
            REPEATED.warning("broker connection failed", cause=type(error), error=text, action="reconnecting")
            await asyncio.to_thread(renew)

    async def on_disconnect() -> None:
        if not closing.is_set():
            losses.inc()
            LOG.warning("broker lost", action="reconnecting until it is back")
            await asyncio.to_thread(renew)

    async def on_reconnect() -> None:
        LOG.info("broker back", action="publishing and consuming again")

    return await nats.connect(
        login.address(url),
        name=name,
        connect_timeout=2,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,
        inbox_prefix=inbox_prefix(url),
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
        **options,
    )


def inbox_prefix(url: str) -> str:
    """Return where this user receives answers. The broker lets no other user listen there."""
    user = unquote(urlsplit(url).username or "")
    return f"_INBOX.service.{re.sub('[^A-Za-z0-9_-]', '_', user)}" if user else "_INBOX"


def stream(name: str, *subjects: str, work_queue: bool = False, days: float = 7) -> api.StreamConfig:
    """Return the configuration of a stream on disk.

    Events stay for `days`, so that a consumer that is created after its publisher misses none. Messages of a
    work queue stay until they are done. A full work queue refuses new messages and drops none.
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
    """Create each stream with this many replicas, or update it if it exists."""
    for each in streams:
        config = each.evolve(num_replicas=replicas)
        try:
            await js.add_stream(config)
        except nats.js.errors.BadRequestError:
            await js.update_stream(config)


async def create(js: JetStreamContext, *streams: api.StreamConfig, replicas: int = 1) -> None:
    """Create the streams that are missing. One that exists with other settings is updated by its owner."""
    for each in streams:
        with contextlib.suppress(nats.js.errors.BadRequestError):
            await js.add_stream(each.evolve(num_replicas=replicas))


async def publish(
    js: JetStreamContext, subject: str, data: bytes, *, message_id: str, origin: trace.Origin | None = None
) -> None:
    """Publish a message, and return once the stream has stored it.

    The message belongs to the request `origin`, by default to the current one. The stream ignores a second
    message with the same `message_id` within two minutes. Raise `nats.errors.Error` if it was not stored.
    """
    carrier = origin.headers() if origin else None
    attributes = messages.span_attributes("publish", "send", subject) | {"messaging.message.id": message_id}
    with trace.span(f"publish {subject}", SpanKind.PRODUCER, attributes, carrier=carrier):
        headers = (carrier or {}) | dict(trace.outgoing_headers()) | {"Nats-Msg-Id": message_id}
        await js.publish(subject, data, headers=headers, timeout=5)


async def consume(
    js: JetStreamContext, consumer: messages.Consumer, handle: messages.Handler, *, parallel: int = 1
) -> None:
    """Handle messages until cancelled, `parallel` at a time. Wait while the broker is unavailable.

    Letters that this consumer gave up are handled again when an operator redrives them.
    """

    async def handle_data(data: bytes, _: messages.Consumer) -> None:
        await handle(data)

    async with redrive.answering(js, consumer, handle):
        await consume_by_preference(js, lambda: (consumer,), handle_data, parallel=parallel)


async def consume_by_preference(
    js: JetStreamContext, preference: Preference, handle: messages.ConsumerHandler, *, parallel: int = 1
) -> None:
    """Handle messages of several consumers until cancelled, `parallel` at a time.

    Each message comes from the most preferred consumer that has one waiting.
    """
    has_declared = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(parallel):
            group.create_task(_consume_one_by_one(js, preference, handle, has_declared))
        await has_declared.wait()
        for consumer in preference():
            group.create_task(lag.watch(js, consumer))


async def _consume_one_by_one(
    js: JetStreamContext,
    preference: Preference,
    handle: messages.ConsumerHandler,
    has_declared: asyncio.Event,
) -> None:
    puller = Puller(js, has_declared)
    try:
        while True:
            process.end_if_cancelled()
            try:
                received = await puller.next(preference())
            except (nats.errors.Error, OSError) as error:
                text = log.error_text(error)
                REPEATED.warning("no message received", error=text, action="trying again in 1 s")
                await asyncio.sleep(1.0)
                continue
            if received:
                await messages.process_message(js, received.consumer, received.message, handle)
    finally:
        await puller.close()
