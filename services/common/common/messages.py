"""Processes one message of a stream: runs its handler, and then settles the message.

Settled means acknowledged, delivered again after a pause, or copied to the dead letters.
"""

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
from common.repeated import Repeated

LOG = log.get(__name__)
REPEATED = Repeated(LOG)
DRAIN_SECONDS = 0.3
"""How long the broker keeps a message that a stopping process gives back.

By then the other pulls of that process have ended, and none of them can receive the message.
"""


class Unprocessable(Exception):
    """Raised by a handler if no attempt can succeed with this message."""


class RetryLater(Exception):
    """Raised by a handler if something that it needs is unavailable or busy.

    The message is then delivered again, even if `max_attempts` is reached.
    """


class NoRoom(Exception):
    """Raised by a handler that has no room for this message now. The broker delivers it again at once,
    preferably to another process.
    """


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable consumer, named after the service that consumes."""

    stream: str
    durable: str
    subjects: tuple[str, ...]
    ack_wait_seconds: float = 30.0
    max_attempts: int | None = None
    """None means that a failing message is retried without limit."""
    longest_pause_seconds: float = 30.0
    is_retired: bool = False
    """True if the stream receives no new messages and may be missing."""

    def pause_seconds(self, attempt: int) -> float:
        """Return the pause after attempt number `attempt`: 1, 2, 4, ... seconds up to the longest pause."""
        return min(2.0 ** (attempt - 1), self.longest_pause_seconds)


Handler = Callable[[bytes], Awaitable[None]]
ConsumerHandler = Callable[[bytes, Consumer], Awaitable[None]]
"""A handler for the messages of several consumers."""


def span_attributes(name: str, kind: str, subject: str) -> dict[str, str | int]:
    """Return a span's attributes by OpenTelemetry's conventions. `name` and `kind` describe the operation."""
    return {
        "messaging.system": "nats",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": subject,
    }


def republisher_of(headers: Mapping[str, str] | None) -> str:
    """Return the stream from which the broker has copied a message, or an empty string.

    Receivers refuse such messages: the manager of a stream could forge events so, by having the broker
    republish them, or having another stream take them from there under another subject.
    """
    given = headers or {}
    return given.get("Nats-Stream") or given.get("Nats-Stream-Source", "").partition(" ")[0]


async def process_message(
    js: JetStreamContext, consumer: Consumer, message: Msg, handle: ConsumerHandler
) -> None:
    """Run the handler inside the trace of the request that published the message, and settle the message.

    A message that another stream republished is refused.
    """
    if stream := republisher_of(message.headers):
        cause = f"the broker has copied it from the stream {stream}"
        LOG.error(
            "message refused", subject=message.subject, cause=cause, action="it is never delivered again"
        )
        await message.term()
        return
    attributes = span_attributes("process", "process", message.subject) | {
        "messaging.consumer.group.name": consumer.durable,
        "messaging.message.body.size": len(message.data),
    }
    with _publishers_request(f"process {message.subject}", message.headers or {}, attributes) as span:
        await _handle_and_settle(js, consumer, message, handle, span)


@contextlib.contextmanager
def _publishers_request(
    name: str, headers: Mapping[str, str], attributes: trace.Attributes
) -> Generator[Span]:
    """Yield a span in the trace that the headers name, and bind their request id to log lines."""
    request_id = headers.get(trace.REQUEST_ID_KEY, "")
    trace.request_id.set(request_id)
    with (
        log.bound(**({"request_id": request_id} if request_id else {})),
        trace.span(name, SpanKind.CONSUMER, attributes, carrier=headers) as span,
    ):
        yield span


async def _handle_and_settle(
    js: JetStreamContext, consumer: Consumer, message: Msg, handle: ConsumerHandler, span: Span
) -> None:
    started, outcome = time.perf_counter(), "cancelled"
    try:
        process.end_if_cancelled()
        async with _heartbeat(message, consumer.ack_wait_seconds / 3):
            await handle(message.data, consumer)
    except asyncio.CancelledError:
        await give_back(message, DRAIN_SECONDS)
        raise
    except NoRoom:
        await give_back(message)
        outcome = "given back"
    except Exception as error:  # noqa: BLE001  any error of a handler ends here
        trace.fail(span, type(error).__qualname__, error)
        outcome = await _settle_failed(js, consumer, message, error)
    else:
        outcome = await _acknowledge(message)
    finally:
        metrics.messages.labels(consumer.durable, outcome).inc()
        metrics.message_seconds.labels(consumer.durable).observe(time.perf_counter() - started)


async def give_back(message: Msg, seconds: float | None = None) -> None:
    """Let the broker deliver the message again, at once or after `seconds`."""
    with contextlib.suppress(nats.errors.Error):
        await message.nak(delay=seconds)


async def _acknowledge(message: Msg) -> str:
    try:
        await message.ack_sync(timeout=5)
    except nats.errors.Error as error:
        REPEATED.warning(
            "message handled, but the broker did not confirm it",
            subject=message.subject,
            error=str(error),
            action="the broker may deliver it again",
        )
        return "unacknowledged"
    return "done"


async def _settle_failed(js: JetStreamContext, consumer: Consumer, message: Msg, error: Exception) -> str:
    attempt = message.metadata.num_delivered
    is_last = consumer.max_attempts is not None and attempt >= consumer.max_attempts
    try:
        if isinstance(error, RetryLater) or not (is_last or isinstance(error, Unprocessable | DecodeError)):
            pause = consumer.pause_seconds(attempt)
            REPEATED.warning(
                "message is retried later",
                cause=(consumer.durable, type(error)),
                subject=message.subject,
                attempt=attempt,
                pause_seconds=pause,
                **_log_fields(error),
            )
            await message.nak(delay=pause)
            return "again"
        LOG.error(
            "message given up",
            subject=message.subject,
            attempt=attempt,
            action="a copy goes to the stream DEAD: see `loupe-admin dead list`",
            exc_info=error,
        )
        await _move_to_dead_letters(js, consumer, message, error)
    except Exception as failure:  # noqa: BLE001  the broker delivers it again after ack_wait
        REPEATED.warning(
            "message could be neither retried nor given up",
            subject=message.subject,
            error=str(failure),
            action="the broker delivers it again",
        )
        return "unsettled"
    return "dead"


async def _move_to_dead_letters(
    js: JetStreamContext, consumer: Consumer, message: Msg, error: Exception
) -> None:
    """Copy the message to the stream DEAD, and end the delivery of the original."""
    reason = log.error_text(error)[:500].replace("\n", " ")
    headers = dict(trace.outgoing_headers()) | {"Loupe-Subject": message.subject, "Loupe-Error": reason}
    await js.publish(f"dead.{consumer.stream}.{consumer.durable}", message.data, headers=headers)
    await message.term()


def _log_fields(error: Exception) -> dict[str, Any]:
    """Return a short reason for an outage of something else, and the traceback for any other error."""
    return {"reason": str(error)} if isinstance(error, RetryLater) else {"exc_info": error}


@contextlib.asynccontextmanager
async def _heartbeat(message: Msg, seconds: float) -> AsyncGenerator[None]:
    """Extend the ack wait every `seconds`, so that the broker does not redeliver a message under way."""

    async def extend_ack_wait() -> None:
        while True:
            await asyncio.sleep(seconds)
            with contextlib.suppress(nats.errors.Error):
                await message.in_progress()

    heartbeats = asyncio.create_task(extend_ack_wait())
    try:
        yield
    finally:
        heartbeats.cancel()
