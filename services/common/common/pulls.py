"""Pulls messages from several durables, one message at a time.

A pull is a request for one message, and it cannot be cancelled. A puller that waits for two durables may
receive a second message while the first one is handled. It gives that message back to the broker at once, and
another free puller receives it.
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
from common.messages import DRAIN_SECONDS, Consumer, give_back

LOG = log.get(__name__)
WAIT_SECONDS = 5.0
"""How long a pull waits at the broker for a message."""
ANSWER_SECONDS = 5.0
"""How long the broker may take to answer a pull that does not wait."""
GRACE_SECONDS = 1.0
"""How long after its end a pull counts as open if the broker's answer was lost with the connection."""
LOOK_SECONDS = 0.5
"""How often a waiting place looks whether its pulls have ended with the connection."""
DECLARE_SECONDS = 0.5
"""How long a place waits until a durable is declared. Then it goes on with the others."""
RETRY_SECONDS = 1.0
RETIRED_RETRY_SECONDS = 60.0
NO_MESSAGE = ("404", "408")
"""Statuses of the broker's answer: there was no message, or none arrived in time."""


class Received(NamedTuple):
    consumer: Consumer
    message: Msg


@dataclass(slots=True)
class _Durable:
    """A durable and the state of its pull. A puller has at most one open pull at each durable."""

    consumer: Consumer
    subscription: Subscription | None = None
    is_declared: bool = False
    next_declare_at: float = 0.0
    declaring: asyncio.Task[None] | None = None
    pull_ends_at: float = 0.0
    pull_connection: int = 0
    """Counts connections to the broker. A pull ends with the connection on which it was sent."""
    problem: str = ""
    """The last problem that was logged, so that it is not logged again each second."""


class Puller:
    """Receives messages for a loop that handles one at a time."""

    def __init__(self, js: JetStreamContext, has_declared: asyncio.Event) -> None:
        """`has_declared` is set once the durables that can be declared are declared."""
        self._js = js
        self._client: Any = js._nc  # noqa: SLF001  nats-py has no public pull that does not wait
        self._has_declared = has_declared
        self._durables: dict[Consumer, _Durable] = {}
        self._received: Received | None = None
        self._wants_message = False
        self._is_closing = False
        self._changed = asyncio.Event()

    async def next(self, preference: Sequence[Consumer]) -> Received | None:
        """Return a message of the first durable that has one, or None if none arrives in some seconds."""
        self._wants_message = True
        try:
            durables = [found for each in preference if (found := await self._declare_if_needed(each))]
            if durables:
                self._has_declared.set()
            if len(durables) > 1:
                await self._try_in_order(durables)
            if not self._received:
                await self._wait_for_any(durables, are_all_declared=self._are_all_declared(preference))
        except BaseException:
            if self._received:
                await give_back(self._received.message, DRAIN_SECONDS)
                self._received = None
            raise
        finally:
            self._wants_message = False
        received, self._received = self._received, None
        return received

    async def close(self) -> None:
        """End all pulls, and give back messages that still arrive."""
        self._is_closing = True
        declaring = {each.declaring for each in self._durables.values() if each.declaring}
        for task in declaring:
            task.cancel()
        await asyncio.gather(*declaring, return_exceptions=True)
        await asyncio.gather(*(_drain(each.subscription) for each in self._durables.values()))

    async def _try_in_order(self, durables: Sequence[_Durable]) -> None:
        """Pull from one durable after the other, without waiting, until one has a message.

        Skip a durable with an open pull. If it had a message, the message would already be here.
        """
        for durable in durables:
            if not self._is_pulling(durable):
                await self._pull(durable, ANSWER_SECONDS, no_wait=True)
                await self._wait_until(lambda: not self._is_pulling(durable), ANSWER_SECONDS)  # noqa: B023  it is awaited here
            if self._received:
                return

    async def _wait_for_any(self, durables: Sequence[_Durable], *, are_all_declared: bool) -> None:
        """Pull from all durables at once, and wait until one has a message or a pull ends."""
        for durable in durables:
            if not self._is_pulling(durable):
                await self._pull(durable, WAIT_SECONDS, expires=int(WAIT_SECONDS * 1e9))
        seconds = WAIT_SECONDS if durables and are_all_declared else RETRY_SECONDS
        await self._wait_until(lambda: any(not self._is_pulling(each) for each in durables), seconds)

    async def _wait_until(self, is_over: Callable[[], bool], seconds: float) -> None:
        """Wait until a message arrives, `is_over` holds, or `seconds` have passed."""
        ends_at = _clock() + seconds
        while not self._received and not is_over() and (rest := ends_at - _clock()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                # `wait_for` may lose a cancellation. Nothing wakes this place when the broker is back.
                async with asyncio.timeout(min(rest, LOOK_SECONDS)):
                    await self._changed.wait()

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

    async def _on_answer(self, durable: _Durable, message: Msg) -> None:
        durable.pull_ends_at = 0.0
        status = JetStreamContext.is_status_msg(message)
        if status is None:
            await self._keep_or_give_back(Received(durable.consumer, message))
        elif status not in NO_MESSAGE:
            durable.is_declared = False
            self._report_problem(durable, f"{status} {(message.headers or {}).get('Description', '')}")
        self._changed.set()

    async def _keep_or_give_back(self, received: Received) -> None:
        if self._wants_message and not self._received:
            self._received = received
        else:
            await give_back(received.message, DRAIN_SECONDS if self._is_closing else None)

    async def _declare_if_needed(self, consumer: Consumer) -> _Durable | None:
        """Return the durable, or None while it cannot be declared."""
        durable = self._durables.setdefault(consumer, _Durable(consumer))
        if not (durable.is_declared or durable.declaring) and _clock() >= durable.next_declare_at:
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
            self._report_problem(durable, log.error_text(error), error)

    async def _declare(self, durable: _Durable) -> None:
        """Declare the durable at the broker, and subscribe to the answers of its pulls.

        This happens again after each problem, because the durable may have been lost with its stream's
        storage.
        """
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
            on_answer = functools.partial(self._on_answer, durable)
            durable.subscription = await self._client.subscribe(self._client.new_inbox(), cb=on_answer)
        durable.is_declared = True
        if durable.problem:
            LOG.info("consumer receives messages again", durable=durable.consumer.durable)
            durable.problem = ""

    def _report_problem(self, durable: _Durable, problem: str, error: Exception | None = None) -> None:
        consumer = durable.consumer
        # the stream of a retired consumer may be deleted: that is no problem
        is_deleted = consumer.is_retired and isinstance(error, nats.js.errors.NotFoundError)
        durable.next_declare_at = _clock() + (RETIRED_RETRY_SECONDS if is_deleted else RETRY_SECONDS)
        if problem != durable.problem and not is_deleted:
            LOG.warning(
                "consumer receives no messages",
                stream=consumer.stream,
                durable=consumer.durable,
                error=problem,
                action="declaring it again every second",
            )
            durable.problem = problem

    def _are_all_declared(self, preference: Sequence[Consumer]) -> bool:
        return all(each.is_retired or self._durables[each].is_declared for each in preference)


def _clock() -> float:
    return asyncio.get_running_loop().time()


async def _drain(subscription: Subscription | None) -> None:
    with contextlib.suppress(nats.errors.Error, TimeoutError):
        async with asyncio.timeout(2):
            if subscription:
                await subscription.drain()
