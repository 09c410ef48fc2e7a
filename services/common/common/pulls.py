"""Pulls messages from several durables for one place, which works on one message at a time.

A pull cannot be taken back. A place that waited at two durables may thus receive a second message while it
works on the first one. That message goes back to the broker at once, and the next free place receives it.
"""

import asyncio
import contextlib
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext, api

from common import log
from common.messages import Consumer, give_back

LOG = log.get(__name__)
HOLD_SECONDS = 5.0
"""How long the broker holds a pull for which it has no message."""
ANSWER_SECONDS = 5.0
"""How long the broker may take to answer a pull that it must not hold."""
GRACE_SECONDS = 1.0
"""A pull whose end was lost counts as ended after this time."""
LOOK_SECONDS = 0.5
"""How often a waiting place looks whether its pulls have ended with the connection."""
DECLARE_SECONDS = 0.5
"""How long a place waits until a durable is declared. Then it goes on with the others."""
RETRY_SECONDS = 1.0
RETIRED_RETRY_SECONDS = 60.0
NO_MESSAGE = ("404", "408")


class Received(NamedTuple):
    consumer: Consumer
    message: Msg


@dataclass(slots=True)
class _Durable:
    """One durable as one place sees it. It has at most one pull there."""

    consumer: Consumer
    subscription: Subscription | None = None
    is_declared: bool = False
    declare_at: float = 0.0
    declaring: asyncio.Task[None] | None = None
    pull_ends_at: float = 0.0
    pull_connection: int = 0
    """Counts connections to the broker. A pull ends with the connection on which it was sent."""
    problem: str = ""


class Puller:
    """Receives the messages of one place."""

    def __init__(self, js: JetStreamContext, has_declared: asyncio.Event) -> None:
        """`has_declared` is set once a durable is declared."""
        self._js = js
        self._client: Any = js._nc  # noqa: SLF001  nats-py has no public pull that the broker must not hold
        self._has_declared = has_declared
        self._durables: dict[Consumer, _Durable] = {}
        self._received: Received | None = None
        self._is_free = False
        self._news = asyncio.Event()

    async def next(self, preference: Sequence[Consumer]) -> Received | None:
        """Return a message of the first durable that has one. If none has one, wait for some seconds."""
        self._is_free = True
        try:
            durables = [found for each in preference if (found := await self._declared(each))]
            if len(durables) > 1:
                await self._ask(durables)
            if not self._received:
                await self._hold(durables, is_complete=self._is_complete(preference))
        except BaseException:
            if self._received:
                await give_back(self._received.message)
                self._received = None
            raise
        finally:
            self._is_free = False
        received, self._received = self._received, None
        return received

    async def close(self) -> None:
        """End all pulls, and give back the messages that are already on their way."""
        declaring = {each.declaring for each in self._durables.values() if each.declaring}
        for task in declaring:
            task.cancel()
        await asyncio.gather(*declaring, return_exceptions=True)
        await asyncio.gather(*(_drain(each.subscription) for each in self._durables.values()))

    async def _ask(self, durables: Sequence[_Durable]) -> None:
        """Ask one durable after the other until one has a message at hand.

        Pass over a durable that holds a pull. If it had a message, the message would already be here.
        """
        for durable in durables:
            if not self._is_pulling(durable):
                await self._pull(durable, ANSWER_SECONDS, no_wait=True)
                await self._until(lambda: not self._is_pulling(durable), ANSWER_SECONDS)  # noqa: B023  it is awaited here
            if self._received:
                return

    async def _hold(self, durables: Sequence[_Durable], *, is_complete: bool) -> None:
        """Wait at all durables at once until one has a message or a pull ends."""
        for durable in durables:
            if not self._is_pulling(durable):
                await self._pull(durable, HOLD_SECONDS, expires=int(HOLD_SECONDS * 1e9))
        seconds = HOLD_SECONDS if durables and is_complete else RETRY_SECONDS
        await self._until(lambda: any(not self._is_pulling(each) for each in durables), seconds)

    async def _until(self, is_over: Callable[[], bool], seconds: float) -> None:
        """Wait for a message, for `is_over`, or for so many seconds."""
        ends_at = _clock() + seconds
        while not self._received and not is_over() and (rest := ends_at - _clock()) > 0:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                # `wait_for` may lose a cancellation. Nothing wakes this place when the broker is back.
                async with asyncio.timeout(min(rest, LOOK_SECONDS)):
                    await self._news.wait()

    @property
    def _connection(self) -> int:
        return self._client.stats["reconnects"]

    def _is_pulling(self, durable: _Durable) -> bool:
        return durable.pull_connection == self._connection and _clock() < durable.pull_ends_at

    async def _pull(self, durable: _Durable, seconds: float, **options: float | bool) -> None:
        consumer, subscription = durable.consumer, durable.subscription
        durable.pull_ends_at = _clock() + seconds + GRACE_SECONDS
        durable.pull_connection = self._connection
        await self._client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.durable}",
            json.dumps({"batch": 1} | options).encode(),
            reply=subscription.subject if subscription else "",
        )

    async def _take_answer(self, durable: _Durable, message: Msg) -> None:
        durable.pull_ends_at = 0.0
        status = JetStreamContext.is_status_msg(message)
        if status is None:
            await self._receive(Received(durable.consumer, message))
        elif status not in NO_MESSAGE:
            durable.is_declared = False
            self._report(durable, f"{status} {(message.headers or {}).get('Description', '')}")
        self._news.set()

    async def _receive(self, received: Received) -> None:
        if self._is_free and not self._received:
            self._received = received
        else:
            await give_back(received.message)

    async def _declared(self, consumer: Consumer) -> _Durable | None:
        """Return the durable, or None while it cannot be declared."""
        durable = self._durables.setdefault(consumer, _Durable(consumer))
        if not (durable.is_declared or durable.declaring) and _clock() >= durable.declare_at:
            durable.declaring = asyncio.create_task(self._try_to_declare(durable))
            await asyncio.wait({durable.declaring}, timeout=DECLARE_SECONDS)
        if durable.declaring and durable.declaring.done():
            declaring, durable.declaring = durable.declaring, None
            declaring.result()
        return durable if durable.is_declared else None

    async def _try_to_declare(self, durable: _Durable) -> None:
        try:
            await self._declare(durable)
        except (nats.errors.Error, OSError) as error:
            self._report(durable, f"{type(error).__name__}: {error}", error)

    async def _declare(self, durable: _Durable) -> None:
        """Declare the durable. It may have been lost with the storage of its stream."""
        await self._js.add_consumer(
            durable.consumer.stream,
            api.ConsumerConfig(
                durable_name=durable.consumer.durable,
                filter_subjects=list(durable.consumer.subjects),
                ack_policy=api.AckPolicy.EXPLICIT,
                ack_wait=durable.consumer.ack_wait_seconds,
                max_deliver=-1,
                max_ack_pending=10_000,
            ),
        )
        if not durable.subscription:
            take = functools.partial(self._take_answer, durable)
            durable.subscription = await self._client.subscribe(self._client.new_inbox(), cb=take)
        durable.is_declared = True
        self._has_declared.set()
        if durable.problem:
            LOG.info("consumer receives messages again", durable=durable.consumer.durable)
            durable.problem = ""

    def _report(self, durable: _Durable, problem: str, error: Exception | None = None) -> None:
        consumer = durable.consumer
        is_gone = consumer.is_retired and isinstance(error, nats.js.errors.NotFoundError)
        durable.declare_at = _clock() + (RETIRED_RETRY_SECONDS if is_gone else RETRY_SECONDS)
        if problem != durable.problem and not is_gone:
            LOG.warning(
                "consumer receives no messages",
                stream=consumer.stream,
                durable=consumer.durable,
                error=problem,
                action="declares it again every second",
            )
            durable.problem = problem

    def _is_complete(self, preference: Sequence[Consumer]) -> bool:
        return all(each.is_retired or self._durables[each].is_declared for each in preference)


def _clock() -> float:
    return asyncio.get_running_loop().time()


async def _drain(subscription: Subscription | None) -> None:
    with contextlib.suppress(nats.errors.Error, TimeoutError):
        async with asyncio.timeout(2):
            if subscription:
                await subscription.drain()
