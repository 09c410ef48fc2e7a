"""One message of a stream: handled, and then acknowledged, asked for again, or given up."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import nats.errors
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from opentelemetry.trace import Span, SpanKind

from common import log, metrics, process, trace

LOG = log.get(__name__)

Handler = Callable[[bytes], Awaitable[None]]
GiveUp = Callable[[bytes, Exception], Awaitable[None]]


class Unprocessable(Exception):
    """No attempt will ever succeed with this message."""


class RetryLater(Exception):
    """Not now, and not the message's fault: something that handling it needs is away or taken."""


class PutBack(Exception):
    """Whoever is free may have the message at once; here `work` of another request is done in its place."""

    def __init__(self, work: Callable[[], Awaitable[None]], origin: trace.Origin) -> None:
        super().__init__("put back")
        self.work = work
        self.origin = origin


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


def described(name: str, kind: str, subject: str) -> dict[str, str | int]:
    return {
        "messaging.system": "nats",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": subject,
    }


async def take(
    js: JetStreamContext, consumer: Consumer, message: Msg, handle: Handler, give_up: GiveUp | None
) -> None:
    """What is done with the message belongs to the request that it comes from."""
    told = described("process", "process", message.subject) | {
        "messaging.consumer.group.name": consumer.durable,
        "messaging.message.body.size": len(message.data),
    }
    with _of_request(f"process {message.subject}", message.headers or {}, told) as span:
        put_back = await _settle(js, consumer, message, handle, give_up, span)
    if put_back is None:
        return
    with _of_request("process instead", put_back.origin.headers()) as span:
        try:
            await put_back.work()
        except Exception as error:  # noqa: BLE001  this is the edge; that work has a message of its own
            trace.fail(span, type(error).__qualname__, error)
            LOG.warning("again later", **_why(error))


@contextlib.contextmanager
def _of_request(
    name: str, headers: Mapping[str, str], attributes: trace.Attributes | None = None
) -> Generator[Span]:
    request_id = headers.get(trace.REQUEST_ID_KEY, "")
    trace.request_id.set(request_id)
    with (
        log.bound(**({"request_id": request_id} if request_id else {})),
        trace.span(name, SpanKind.CONSUMER, attributes, carrier=headers) as span,
    ):
        yield span


async def _settle(
    js: JetStreamContext,
    consumer: Consumer,
    message: Msg,
    handle: Handler,
    give_up: GiveUp | None,
    span: Span,
) -> PutBack | None:
    started, outcome = time.perf_counter(), "cancelled"
    try:
        process.end_if_cancelled()
        async with _heartbeat(message, consumer.ack_wait_seconds / 3):
            await handle(message.data)
    except asyncio.CancelledError:
        with contextlib.suppress(nats.errors.Error):
            await message.nak()
        raise
    except PutBack as put_back:
        outcome = await _put_back(message)
        return put_back
    except Exception as error:  # noqa: BLE001  this is the edge
        trace.fail(span, type(error).__qualname__, error)
        outcome = await _failed(js, consumer, message, error, give_up)
    else:
        outcome = await _acknowledge(message)
    finally:
        metrics.messages.labels(consumer.durable, outcome).inc()
        metrics.message_seconds.labels(consumer.durable).observe(time.perf_counter() - started)
    return None


async def _acknowledge(message: Msg) -> str:
    try:
        await message.ack_sync(timeout=5)
    except nats.errors.Error as error:
        LOG.warning("could not acknowledge", subject=message.subject, error=str(error))
        return "unacknowledged"
    return "done"


async def _put_back(message: Msg) -> str:
    try:
        await message.nak()
    except nats.errors.Error as error:
        LOG.warning("could not put back", subject=message.subject, error=str(error))
        return "unsettled"
    return "put_back"


async def _failed(
    js: JetStreamContext, consumer: Consumer, message: Msg, error: Exception, give_up: GiveUp | None
) -> str:
    attempt = message.metadata.num_delivered
    is_last = consumer.max_attempts is not None and attempt >= consumer.max_attempts
    try:
        if isinstance(error, RetryLater) or not (is_last or isinstance(error, Unprocessable | DecodeError)):
            LOG.warning("again later", subject=message.subject, attempt=attempt, **_why(error))
            await message.nak(delay=consumer.pause(attempt))
            return "again"
        LOG.error("giving up", subject=message.subject, attempt=attempt, exc_info=error)
        if give_up:
            await give_up(message.data, error)
        reason = f"{type(error).__name__}: {error}"[:500].replace("\n", " ")
        headers = dict(trace.outgoing_headers()) | {"Loupe-Subject": message.subject, "Loupe-Error": reason}
        await js.publish(f"dead.{consumer.stream}.{consumer.durable}", message.data, headers=headers)
        await message.term()
    except Exception as failure:  # noqa: BLE001  the broker delivers it again after ack_wait
        LOG.warning("could not settle", subject=message.subject, error=str(failure))
        return "unsettled"
    return "dead"


def _why(error: Exception) -> dict[str, Any]:
    return {"reason": str(error)} if isinstance(error, RetryLater) else {"exc_info": error}


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
