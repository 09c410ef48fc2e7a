"""The streams of images, the handlers for results and deleted accounts, and the sweeper that repeats jobs."""

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from common import bus, messages, timestamps
from common.blobs import Blobs
from common.db import Sessions
from images.domain import deleted_users, jobs, library
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2

if TYPE_CHECKING:
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub

QUEUE = bus.stream("QUEUE", jobs.STANDARD, jobs.PRIORITY, work_queue=True)
"""The jobs. It has one durable for each subject, so that a worker can ask for priority jobs first.

It replaces the stream JOBS, which cannot have two durables: its one durable receives all subjects, a work
queue refuses a second durable with an overlapping filter, and workers of the release before declare the first
one again at each start.
"""
RETIRED_QUEUE = "JOBS"
"""Nothing is published to it or declares it any more. Workers empty it; the next release deletes it."""
EVENTS = bus.stream(
    "IMAGES", "images.completed", "images.failed", "images.cancelled", "images.objects_dropped"
)
FINISHED = messages.Consumer(stream="RESULTS", durable="images", subjects=("inference.finished",))
DROPPED = messages.Consumer(stream="IMAGES", durable="images-objects", subjects=("images.objects_dropped",))
USER_DELETED = messages.Consumer(stream="AUTH", durable="images-users", subjects=("auth.user_deleted",))

FORGOTTEN_AFTER = timedelta(minutes=30)
"""After this long an image is queued again even if its message may still be in the stream. A second message
for an image finds nothing to do.
"""
RENEW_WITHIN = timedelta(minutes=30)
RENEWALS_AT_ONCE = 500


class Results:
    """Handlers for the results of workers, and for objects that are not needed any more."""

    def __init__(self, sessions: Sessions, blobs: Blobs, rules: jobs.Rules) -> None:
        self._sessions = sessions
        self._blobs = blobs
        self._rules = rules

    async def finished(self, data: bytes) -> None:
        event = inference_pb2.Finished.FromString(data)
        async with self._sessions.begin() as session:
            await jobs.finish(session, event, self._rules)

    async def dropped(self, data: bytes) -> None:
        await self._blobs.delete(pb.ObjectsDropped.FromString(data).keys)


class Users:
    """The handler for deleted accounts. It deletes their images a few at a time."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def deleted(self, data: bytes) -> None:
        user_id = auth_pb2.UserDeleted.FromString(data).user_id
        async with self._sessions.begin() as session:
            await deleted_users.remember(session, user_id)
        is_left = True
        while is_left:
            async with self._sessions.begin() as session:
                is_left = await deleted_users.delete_some(session, user_id)


class Sweeper:
    """Queues lost jobs again and renews reservations of waiting images.

    PostgreSQL is the truth: an image that waits there needs a message in the stream.
    """

    def __init__(
        self,
        sessions: Sessions,
        js: JetStreamContext,
        billing: "BillingServiceAsyncStub",
        rules: jobs.Rules,
        lost_after: timedelta,
    ) -> None:
        self._lost_after = lost_after
        self._sessions = sessions
        self._js = js
        self._billing = billing
        self._rules = rules

    async def sweep(self) -> None:
        lost_after = FORGOTTEN_AFTER if await self._count_queued() else self._lost_after
        async with self._sessions.begin() as session:
            users = await jobs.abandoned(session, self._rules) + await jobs.lost(session, lost_after)
        for user_id in sorted(set(users)):
            async with self._sessions.begin() as session:
                await jobs.lock_user(session, user_id)
                await jobs.dispatch(session, user_id, self._rules)
        await self._renew()

    async def _count_queued(self) -> int:
        queued = (await self._js.stream_info(QUEUE.name or "")).state.messages
        with contextlib.suppress(NotFoundError):
            queued += (await self._js.stream_info(RETIRED_QUEUE)).state.messages
        return queued

    async def _renew(self) -> None:
        async with self._sessions.begin() as session:
            ageing = await library.with_ageing_reservations(session, RENEW_WITHIN, RENEWALS_AT_ONCE)
        if not ageing:
            return
        request = billing_pb2.RenewReservationsRequest(reservation_ids=[str(one) for one in ageing])
        until = timestamps.from_proto((await self._billing.RenewReservations(request)).expires_at)
        async with self._sessions.begin() as session:
            await library.set_reserved_until(session, ageing, until)
