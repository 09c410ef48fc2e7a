"""Redriving: the consumer that gave a message up handles it again.

Only that consumer may publish its dead letters, and it reads them from the stream itself. So nobody can
have it handle a message that it never received.
"""

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from common import errors, log
from common.messages import Consumer, Handler, republisher_of

LOG = log.get(__name__)
DEAD = "DEAD"
SECONDS = 30.0


def letters_of(stream: str, durable: str) -> str:
    """Return the subject of the dead letters of a consumer."""
    return f"dead.{stream}.{durable}"


@contextlib.asynccontextmanager
async def answering(js: JetStreamContext, consumer: Consumer, handle: Handler) -> AsyncGenerator[None]:
    """Handle letters of this consumer when `ask` requests it. One process of the service answers."""

    async def answer(request: Msg) -> None:
        problem = await _handle_letter(js, consumer, handle, request.data)
        with contextlib.suppress(nats.errors.Error):
            await request.respond(problem.encode())

    client: Any = js._nc  # noqa: SLF001  it is the connection of this context
    subject = f"redrive.{consumer.stream}.{consumer.durable}"
    subscription = await client.subscribe(subject, queue=consumer.durable, cb=answer)
    try:
        yield
    finally:
        with contextlib.suppress(nats.errors.Error):
            await subscription.unsubscribe()


async def ask(js: JetStreamContext, stream: str, durable: str, sequence: int) -> None:
    """Have the consumer handle its letter again. Return once it has.

    Raise `Unavailable` if no process of its service answers, and `FailedPrecondition` if it fails again.
    """
    client: Any = js._nc  # noqa: SLF001
    try:
        answer = await client.request(f"redrive.{stream}.{durable}", str(sequence).encode(), timeout=SECONDS)
    except (nats.errors.Error, TimeoutError) as error:
        message = f"The consumer {durable} does not answer. Try again when its service runs."
        raise errors.Unavailable(message, reason="consumer_unavailable") from error
    if answer.data:
        message = f"The consumer {durable} failed again: {answer.data.decode(errors='replace')}"
        raise errors.FailedPrecondition(message, reason="redrive_failed")


async def _handle_letter(js: JetStreamContext, consumer: Consumer, handle: Handler, request: bytes) -> str:
    """Return what went wrong; an empty text if nothing did."""
    try:
        letter = await js.get_msg(DEAD, int(request))
    except (ValueError, NotFoundError, nats.errors.Error) as error:
        return f"there is no such letter: {log.error_text(error)}"
    if letter.subject != letters_of(consumer.stream, consumer.durable):
        return "the letter belongs to another consumer"
    if stream := republisher_of(letter.headers):
        return f"the letter was copied from the stream {stream}"
    try:
        await handle(letter.data or b"")
    except Exception as error:  # noqa: BLE001  the operator who redrives gets it
        LOG.warning(
            "redriven message failed again",
            durable=consumer.durable,
            error=log.error_text(error),
            action="the letter stays in the stream DEAD",
        )
        return log.error_text(error)[:500]
    return ""
