"""Makes deliveries: claims those that are due, posts them, and records how each ended.

A delivery is claimed in one transaction and recorded in another. In between no transaction is open.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

from common import errors, log, metrics, relays
from common.db import Sessions
from common.repeated import Repeated
from outbound.domain import attempts, lanes
from outbound.domain.attempts import Claim, Result
from outbound.domain.schedule import LONGEST_RETRY_AFTER
from outbound.guard.client import Answer, Client, Limits
from outbound.guard.refused import Refused
from outbound.guard.urls import check_url
from outbound.rendering import render
from outbound.settings import Settings
from outbound.signing import Cipher, signed_headers

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

LOG = log.get(__name__)
REPEATED = Repeated(LOG)
POLL_SECONDS = 1.0
DRAIN_SECONDS = 20.0
"""The longest time for which deliveries under way go on when the process stops."""
RENDER_AGAIN_AFTER = timedelta(seconds=5)
"""The pause of a delivery if images does not answer. This does not count as an attempt."""
LOGGED_BYTES = 2048
ANY_BYTES = 1 << 40
"""An answer may have any length, because only its beginning is read."""
TEXT_SECONDS = 2.0
"""How long the text of an answer may take. Its status counts already."""
HEADERS = {"Content-Type": "application/json"}

OUTCOMES = DELIVERED, FAILED, GIVEN_UP = ("delivered", "failed", "given up")

deliveries = Counter("loupe_webhook_attempts_total", "Attempts to deliver an event", ["outcome"])
delivery_seconds = Histogram(
    "loupe_webhook_attempt_seconds",
    "Time until a receiver has answered",
    ["outcome"],
    buckets=metrics.SECONDS_BUCKETS,
)
for each in OUTCOMES:
    _ = deliveries.labels(each), delivery_seconds.labels(each)


class Deliverer:
    """Delivers for all users, beside other processes that do the same."""

    def __init__(
        self,
        sessions: Sessions,
        images: "ImagesServiceAsyncStub",
        client: Client,
        cipher: Cipher,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        """`now` is the clock of the schedule and of leases."""
        self._sessions = sessions
        self._images = images
        self._client = client
        self._cipher = cipher
        self._now = now
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._most_per_host = settings.deliveries_per_host
        self._limits = Limits(seconds=settings.answer_seconds, body_bytes=ANY_BYTES)
        self._slots = asyncio.Semaphore(settings.parallel_deliveries)
        self.under_way: set[asyncio.Task[None]] = set()
        """The deliveries that this process makes now."""

    async def run(self, url: str) -> None:
        """Deliver until cancelled. Then finish what is under way. `url` is that of the database."""
        try:
            await relays.keep_empty(lanes.CHANNEL, url, self.start_next, poll_seconds=POLL_SECONDS)
        finally:
            await self.finish_started()

    async def finish_started(self) -> None:
        """Wait until the deliveries under way have ended, for 20 s. Others make the rest again."""
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=DRAIN_SECONDS)

    async def start_next(self) -> bool:
        """Start the next delivery that is due, and return whether there may be more."""
        await self._slots.acquire()
        claim = None
        try:
            is_due, claim = await self._claim()
        finally:
            if claim is None:
                self._slots.release()
        if claim:
            task = asyncio.create_task(self._deliver(claim))
            self.under_way.add(task)
            task.add_done_callback(self._ended)
        return is_due

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.under_way.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()):
            REPEATED.warning(
                "delivery not recorded",
                cause=type(error),
                error=log.error_text(error),
                action="it is made again when its lease ends",
            )

    async def _claim(self) -> tuple[bool, Claim | None]:
        async with self._sessions.begin() as session:
            return await attempts.claim_next(
                session, self._cipher, self._now(), lease=self._lease, most_per_host=self._most_per_host
            )

    async def _deliver(self, claim: Claim) -> None:
        try:
            body = await render(claim, self._images)
        except errors.ServiceError as error:
            REPEATED.warning(
                "delivery postponed", cause=error.reason, error=str(error), action="it is made in 5 s"
            )
            async with self._sessions.begin() as session:
                await attempts.give_back(session, claim, self._now(), after=RENDER_AGAIN_AFTER)
            return
        result = await self._post(claim, body)
        async with self._sessions.begin() as session:
            status = await attempts.record(session, claim, result, self._now())
        outcome = DELIVERED if result.is_success else GIVEN_UP if status == "failed" else FAILED
        deliveries.labels(outcome).inc()
        delivery_seconds.labels(outcome).observe(result.milliseconds / 1000)
        LOG.debug("delivery attempted", delivery_id=claim.delivery.id, outcome=result.outcome, status=status)

    async def _post(self, claim: Claim, body: str) -> Result:
        """Post the body, and return how that ended. Redirects are not followed."""
        started = time.perf_counter()
        headers = HEADERS | dict(signed_headers(claim.secrets, claim.delivery.event_id, self._now(), body))
        result, text = None, bytearray()
        try:
            url = check_url(claim.url, self._client.policy)
            async with self._client.request(
                "POST", url, headers=headers, body=body.encode(), limits=self._limits
            ) as answer:
                result = Result(
                    status_code=answer.status,
                    milliseconds=_milliseconds_since(started),
                    retry_after=_retry_after(answer.headers.get("retry-after", ""), self._now()),
                )
                async with asyncio.timeout(TEXT_SECONDS):
                    await _read_beginning(answer, text)
        except TimeoutError:
            pass  # the answer counts without its text
        except Refused as error:
            result = result or Result(error=error.reason, milliseconds=_milliseconds_since(started))
        assert result  # noqa: S101  the only timeout is that of the text
        return replace(
            result, answer=bytes(text[:LOGGED_BYTES]).decode(errors="replace").replace("\0", "\ufffd")
        )


async def _read_beginning(answer: Answer, text: bytearray) -> None:
    """Add the first 2 KB of the answer's body to `text`."""
    async for piece in answer.pieces():
        text += piece
        if len(text) >= LOGGED_BYTES:
            return


def _retry_after(text: str, now: datetime) -> timedelta:
    """Return the pause that the header names, as seconds or as a date. Zero if it names none."""
    if text.isascii() and text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
    try:
        return max(timedelta(), parsedate_to_datetime(text) - now)
    except (ValueError, TypeError):
        return timedelta()


def _milliseconds_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
