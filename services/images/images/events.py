"""The streams of images, what it makes of results and of accounts that went, and the sweeper that carries on
what got lost.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from nats.js import JetStreamContext

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

JOBS = bus.stream("JOBS", "images.submitted.*", work_queue=True)
EVENTS = bus.stream(
    "IMAGES", "images.completed", "images.failed", "images.cancelled", "images.objects_dropped"
)
FINISHED = messages.Consumer(stream="RESULTS", durable="images", subjects=("inference.finished",))
DROPPED = messages.Consumer(stream="IMAGES", durable="images-objects", subjects=("images.objects_dropped",))
USER_DELETED = messages.Consumer(stream="AUTH", durable="images-users", subjects=("auth.user_deleted",))

FORGOTTEN_AFTER = timedelta(minutes=30)
"""Without knowing: then it is dispatched again, and a second copy finds nothing to do."""
RENEW_WITHIN = timedelta(minutes=30)
RENEWED_AT_ONCE = 500


class Results:
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
    """PostgreSQL is the truth: what waits there and is in no stream is published again."""

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
        stream = await self._js.stream_info(JOBS.name or "")
        lost_after = FORGOTTEN_AFTER if stream.state.messages else self._lost_after
        async with self._sessions.begin() as session:
            users = await jobs.abandoned(session, self._rules) + await jobs.lost(session, lost_after)
        for user_id in sorted(set(users)):
            async with self._sessions.begin() as session:
                await jobs.lock_user(session, user_id)
                await jobs.dispatch(session, user_id, self._rules)
        await self._renew()

    async def _renew(self) -> None:
        async with self._sessions.begin() as session:
            ageing = await library.with_ageing_reservations(session, RENEW_WITHIN, RENEWED_AT_ONCE)
        if not ageing:
            return
        request = billing_pb2.RenewReservationsRequest(reservation_ids=[str(one) for one in ageing])
        until = timestamps.from_proto((await self._billing.RenewReservations(request)).expires_at)
        async with self._sessions.begin() as session:
            await library.set_reserved_until(session, ageing, until)
