"""The streams of images, its message handlers, and the sweeper that publishes lost jobs again."""

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from common import bus, log, messages, timestamps
from common.blobs import Blobs
from common.db import Sessions
from images.domain import deleted_users, direct_uploads, jobs, library, lost_jobs, previews, turns
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2

if TYPE_CHECKING:
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub

LOG = log.get(__name__)
FOLDER = "images/"
"""The keys of all objects begin with this."""
QUEUE = bus.stream("QUEUE", jobs.STANDARD, jobs.PRIORITY, work_queue=True)
"""The stream of jobs. It has one durable for each subject, so that a worker can pull priority jobs first.

It replaces the stream JOBS, whose one durable receives all subjects. JOBS cannot have two durables, because a
work queue refuses durables with overlapping filters, and workers of the previous release declare the first
one again at each start.
"""
RETIRED_QUEUE = "JOBS"
"""The old stream of jobs. Nothing is published to it. Workers empty it, and the next release deletes it."""
EVENTS = bus.stream(
    "IMAGES", "images.completed", "images.failed", "images.cancelled", "images.objects_dropped"
)
RESULTS = bus.stream("RESULTS", "inference.finished", work_queue=True)
"""The stream of workers' results. Workers may create it, but not change it."""
FINISHED = messages.Consumer(stream="RESULTS", durable="images", subjects=("inference.finished",))
DROPPED = messages.Consumer(stream="IMAGES", durable="images-objects", subjects=("images.objects_dropped",))
USER_DELETED = messages.Consumer(stream="AUTH", durable="images-users", subjects=("auth.user_deleted",))

SURELY_LOST_AFTER = timedelta(minutes=30)
"""After this long an image is queued again even if its message may still be in the stream. If it is, the
worker that receives the second message finds nothing to do.
"""
RENEW_BEFORE_EXPIRY = timedelta(minutes=30)
RENEWALS_AT_ONCE = 500


class Results:
    """Handlers for the outcomes that workers publish, and for objects that are no longer needed."""

    def __init__(self, sessions: Sessions, blobs: Blobs, rules: jobs.Rules) -> None:
        self._sessions = sessions
        self._blobs = blobs
        self._rules = rules

    async def apply(self, data: bytes) -> None:
        event = inference_pb2.Finished.FromString(data)
        async with self._sessions.begin() as session:
            await jobs.finish(session, event, self._rules)

    async def delete_objects(self, data: bytes) -> None:
        """Delete the objects and the previews beside them. Keep those outside our folder, and those of an
        image that exists or of a direct upload that waits: a forged event may name any key.
        """
        keys = {key for key in pb.ObjectsDropped.FromString(data).keys if key}
        ours = {key for key in keys if key.startswith(FOLDER) and ".." not in key.split("/")}
        async with self._sessions.begin() as session:
            dropped = await library.keys_without_image(session, ours)
            dropped = await direct_uploads.without_waiting(session, dropped)
            beside = await library.keys_without_image(session, previews.keys_beside(dropped))
        if kept := keys.difference(dropped):
            LOG.error(
                "objects that were to be deleted are in use or not ours", keys=sorted(kept), action="kept"
            )
        await self._blobs.delete([*dropped, *beside])


class Users:
    """The handler for deleted accounts. It deletes their images a few at a time."""

    def __init__(self, sessions: Sessions, rules: jobs.Rules | None = None) -> None:
        """Without `rules`, the sweeper queues what follows."""
        self._sessions = sessions
        self._rules = rules

    async def delete_data(self, data: bytes) -> None:
        """Delete what a user had. A repeated event finds nothing left."""
        user_id = auth_pb2.UserDeleted.FromString(data).user_id
        async with self._sessions.begin() as session:
            await deleted_users.remember(session, user_id)
        is_left = True
        while is_left:
            async with self._sessions.begin() as session:
                is_left = await deleted_users.delete_some(session, user_id)
                if self._rules:
                    await jobs.let_in(session, self._rules)


class Sweeper:
    """Queues lost jobs again, and renews reservations of unfinished images.

    PostgreSQL is the truth: an image that is pending and dispatched there must have a message in the stream.
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
        """Run once. If the stream is empty, dispatched images have no message, and are queued again soon."""
        lost_after = SURELY_LOST_AFTER if await self._count_queued() else self._lost_after
        async with self._sessions.begin() as session:
            await lost_jobs.requeue_abandoned(session, self._rules)
            await lost_jobs.requeue_lost(session, lost_after)
        async with self._sessions.begin() as session:
            await turns.give(session, None)
            await jobs.let_in(session, self._rules)
        await self._renew_reservations()

    async def _count_queued(self) -> int:
        """Return the number of messages in the streams of jobs."""
        queued = (await self._js.stream_info(QUEUE.name or "")).state.messages
        with contextlib.suppress(NotFoundError):
            queued += (await self._js.stream_info(RETIRED_QUEUE)).state.messages
        return queued

    async def _renew_reservations(self) -> None:
        async with self._sessions.begin() as session:
            expiring = await library.expiring_reservations(session, RENEW_BEFORE_EXPIRY, RENEWALS_AT_ONCE)
        if not expiring:
            return
        request = billing_pb2.RenewReservationsRequest(reservation_ids=[str(each) for each in expiring])
        until = timestamps.from_proto((await self._billing.RenewReservations(request)).expires_at)
        async with self._sessions.begin() as session:
            await library.set_reserved_until(session, expiring, until)
