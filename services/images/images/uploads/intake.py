"""Takes in uploads that passed the checks: reserves places, stores originals and inserts rows.

A single upload reserves its place before it stores anything. A batch stores each file while the next one
arrives, and reserves all places at the end. The rows are inserted last, in one transaction. If anything
fails, the earlier steps are undone. If the process dies, the reservations expire, and the sweep of orphans
deletes the objects.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors, process, timestamps
from common.blobs import Blobs
from common.db import Sessions
from imagefile.formats import media_type
from images.catalogue import ALWAYS_SERVED
from images.domain import direct_uploads, jobs, library, models, undecodable
from images.domain.retries import Place
from images.formats.header import Header, Limits
from images.formats.parsers import Parsers
from images.settings import UPLOAD_MEMORY_BYTES, Settings
from images.submissions import Submissions
from images.tables import Batch, Image
from images.upload_tables import DirectUpload
from images.uploads import sizing
from images.uploads.intents import RESERVED_SECONDS, Intent, Intents
from images.uploads.memory import UploadMemory
from images.uploads.original import Original
from loupe.billing.v1 import billing_pb2
from loupe.contract import LONGEST_OUTPUT_SIDE

if TYPE_CHECKING:
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub

LastStep = Callable[[AsyncSession, Sequence[Image], Batch | None], Awaitable[None]]
"""Called by a transaction with the rows that it has inserted, before it commits."""
DAY_SECONDS = 86_400
PRIORITY_FEATURE = "priority_queue"
"""The feature of plans whose images go into the priority queue."""


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """The clients, settings and rules that the service works with."""

    sessions: Sessions
    blobs: Blobs
    billing: "BillingServiceAsyncStub"
    settings: Settings
    rules: jobs.Rules
    parsers: Parsers
    intents: Intents
    submissions: Submissions
    memory: UploadMemory = field(default_factory=lambda: UploadMemory(UPLOAD_MEMORY_BYTES))

    async def read_header(self, data: bytes, user_id: int) -> Header:
        """Return the header of the user's file.

        Raise `InvalidArgument` on the field `image` if it cannot be upscaled.
        """
        limits = Limits(self.settings.largest_input_pixels, self.settings.formats)
        return await self.parsers.read_header(data, limits, str(user_id))

    def limits(self, max_scale: int = sizing.LARGEST_SCALE) -> sizing.Limits:
        """Return the limits of results, by default without those of the plan."""
        return sizing.Limits(
            max_scale,
            LONGEST_OUTPUT_SIDE,
            self.settings.largest_output_pixels,
            self.settings.largest_animation_pixels,
        )

    async def model_names(self, requested: str) -> Collection[str]:
        """Return the names of models that clients may request now.

        Make no query if `requested`, the name in the request, is empty.
        """
        if not requested:
            return ALWAYS_SERVED
        async with self.sessions.begin() as session:
            return await models.served_names(session, self.rules.model_gone_after)


@dataclass(frozen=True, slots=True)
class Reserved:
    """The places of one upload, the plan's largest scale factor, and the month's usage after it."""

    places: Sequence[Place]
    max_scale: int
    usage: billing_pb2.Usage


async def do_nothing(_: AsyncSession, __: Sequence[Image], ___: Batch | None) -> None:
    """The last step of an upload whose answer is not stored."""


class Intake:
    """Takes in one upload. Use it with `async with`: if the block raises, all completed steps are undone."""

    def __init__(self, context: ServiceContext, user_id: int) -> None:
        self._context = context
        self._intent = Intent(user_id)
        self._storing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Raise `ResourceExhausted` if the user has cost workers too much time for nothing in this hour."""
        limit = self._context.settings.undecodable_per_hour
        async with self._context.sessions.begin() as session:
            await undecodable.refuse_over_limit(session, self._intent.user_id, limit)
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._context.intents.leave(self._intent)
            return
        await process.finish(self._undo())

    async def start_storing(self, original: Original, data: bytes) -> None:
        """Wait until the previous file is stored, and start to store this one in the background."""
        await self.wait_until_stored()
        if original.path not in self._intent.object_keys:
            await self._context.intents.add(self._intent, object_keys=[original.path])
        storing = self._context.blobs.put(original.path, data, media_type(original.header.format))
        self._storing = asyncio.create_task(storing)

    async def wait_until_stored(self) -> None:
        """Wait for the thread that writes. Cancelling this call does not stop the thread."""
        if self._storing:
            await asyncio.shield(self._storing)
            self._storing = None

    async def reserve(
        self,
        count: int,
        *,
        api_request: bool = False,
        feature: str = "",
        object_keys: Sequence[str] = (),
        as_many_as_fit: bool = False,
    ) -> Reserved:
        """Reserve `count` places. Raise `PermissionDenied` if plan or quota do not allow all of them.

        `object_keys` are those of the files that will be stored next. With `as_many_as_fit`, the quota may
        allow only some.
        """
        ids = [uuid.uuid4() for _ in range(count)]
        await self._context.intents.add(self._intent, ids, object_keys)
        request = billing_pb2.ReserveRequest(
            reservation_ids=[str(reservation_id) for reservation_id in ids],
            user_id=self._intent.user_id,
            api_request=api_request,
            feature=feature,
            seconds=RESERVED_SECONDS,
            as_many_as_fit=as_many_as_fit,
        )
        response = await self._reserve(request)
        until = timestamps.from_proto(response.expires_at)
        is_priority = PRIORITY_FEATURE in response.plan.features
        days = response.plan.retention_days if response.plan.HasField("retention_days") else None
        retention = None if days is None else days * DAY_SECONDS
        reserved = ids[: response.reserved_count] if response.HasField("reserved_count") else ids
        places = [Place(reservation_id, until, is_priority, retention) for reservation_id in reserved]
        return Reserved(places, response.plan.max_scale, response.usage)

    async def _reserve(self, request: billing_pb2.ReserveRequest) -> billing_pb2.ReserveResponse:
        """Note that billing may still be at work, unless it has answered."""
        self._intent.is_reserving = True
        try:
            response = await self._context.billing.Reserve(request)
        except errors.PermissionDenied:
            self._intent.is_reserving = False
            raise
        self._intent.is_reserving = False
        return response

    async def insert(
        self,
        images: Sequence[Image],
        batch: Batch | None = None,
        direct: DirectUpload | None = None,
        last: LastStep = do_nothing,
    ) -> None:
        """Insert the rows once all files are stored, and mark the direct upload as used.

        Raise `Unavailable` if the upload has been undone.
        """
        async with self.commit() as session:
            await self.add(session, images, batch)
            if direct:
                await direct_uploads.use(session, direct)
            await last(session, images, batch)

    async def begin(self) -> None:
        """Write down an upload that reserves and stores nothing."""
        await self._context.intents.add(self._intent)

    async def add(self, session: AsyncSession, images: Sequence[Image], batch: Batch | None) -> None:
        """Insert the rows in the transaction of `commit`."""
        await library.add(session, self._intent.user_id, images, self._context.rules, batch)

    @contextlib.asynccontextmanager
    async def commit(self) -> AsyncGenerator[AsyncSession]:
        """Open the transaction after which the steps are not undone any more, once all files are stored.

        Raise `Unavailable` if they have been undone.
        """
        await self.wait_until_stored()
        async with self._context.sessions.begin() as session:
            await self._context.intents.complete(session, self._intent)
            yield session

    async def _undo(self) -> None:
        """Give the places back and delete the objects, as soon as no thread writes any more."""
        if self._storing:
            await asyncio.gather(self._storing, return_exceptions=True)
        await self._context.intents.undo(self._intent)
