"""Images on their way in: originals are stored, places reserved, then rows inserted in one transaction.

Whatever fails on the way leaves nothing behind; if the process dies in between, the reservations expire by
themselves, and the sweep of orphans finds the objects.
"""

import asyncio
import contextlib
import secrets
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Self

from common import errors, log, timestamps
from common.blobs import Blobs
from common.db import Sessions
from imagefile.formats import WRITABLE, extension, media_type
from images.catalogue import USUAL
from images.domain import jobs, library, models
from images.formats.sniff import Header
from images.settings import Settings
from images.tables import Batch, Image
from images.uploads import sizing
from images.uploads.output import Output
from loupe.billing.v1 import billing_pb2

if TYPE_CHECKING:
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub

LOG = log.get(__name__)
UNDOING = set[asyncio.Task[None]]()
"""The loop itself holds tasks only weakly."""
QUEUE = "priority_queue"
"""The plan's feature that makes its images go first."""


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """What the service works with."""

    sessions: Sessions
    blobs: Blobs
    billing: "BillingServiceAsyncStub"
    settings: Settings
    rules: jobs.Rules

    def limits(self, max_scale: int) -> sizing.Limits:
        return sizing.Limits(
            max_scale,
            self.settings.longest_output_side,
            self.settings.largest_output_pixels,
            self.settings.largest_animation_pixels,
        )

    async def models(self, asked: str) -> Collection[str]:
        """Names that may be asked for now; it need not be looked where none is."""
        if not asked:
            return USUAL
        async with self.sessions.begin() as session:
            return await models.names(session, self.rules.model_gone_after)


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """What a client asked for."""

    sizes: sizing.Options = field(default_factory=sizing.Options)
    output: Output = field(default_factory=Output)


@dataclass(frozen=True, slots=True)
class Original:
    """A file that can be upscaled."""

    filename: str
    bytes: int
    header: Header
    stem: str = field(default_factory=lambda: secrets.token_hex(16))
    """The random part of its key, and of that of the result."""

    @property
    def path(self) -> str:
        return f"images/originals/{self.stem}.{extension(self.header.format)}"

    def result_size(self, wishes: UploadOptions, limits: sizing.Limits) -> tuple[int, int]:
        """Raises `InvalidArgument` on the option at fault."""
        longest = WRITABLE[wishes.output.format_for(self.header)].limits.longest_side
        limits = limits.within(longest, wishes.output.frames_for(self.header))
        size = sizing.output_size(self.header.width, self.header.height, wishes.sizes, limits)
        if problem := wishes.output.size_problem(self.header, *size):
            field = "output_format" if wishes.output.format else wishes.sizes.field
            raise errors.invalid({field: [problem]})
        return size

    def image(
        self,
        user_id: int,
        wishes: UploadOptions,
        size: tuple[int, int],
        place: "Place",
        *,
        api_request: bool,
    ) -> Image:
        becomes, sizes = wishes.output.format_for(self.header), wishes.sizes
        return Image(
            user_id=user_id,
            original_filename=self.filename,
            original_path=self.path,
            original_bytes=self.bytes,
            original_width=self.header.width,
            original_height=self.header.height,
            upscaled_path=f"images/upscaled/{self.stem}.{extension(becomes)}",
            upscaled_format=becomes,
            upscaled_width=size[0],
            upscaled_height=size[1],
            scale_factor=sizes.scale_factor,
            target_width=sizes.target_width,
            target_height=sizes.target_height,
            fit=wishes.output.fit,
            quality=wishes.output.quality,
            keeps_metadata=wishes.output.keeps_metadata,
            model_asked=wishes.output.model,
            api_request=api_request,
            is_priority=place.is_priority,
            reservation_id=place.reservation_id,
            reserved_until=place.reserved_until,
        )


@dataclass(frozen=True, slots=True)
class Place:
    """In the month's quota, and in the queue."""

    reservation_id: uuid.UUID
    reserved_until: datetime
    is_priority: bool


@dataclass(frozen=True, slots=True)
class Reserved:
    places: Sequence[Place]
    max_scale: int
    usage: billing_pb2.Usage


class Intake:
    """One call's images until they are rows: `async with` it, and an error undoes what was done."""

    def __init__(self, means: ServiceContext, user_id: int) -> None:
        self._means = means
        self._user_id = user_id
        self._keys: list[str] = []
        self._storing: asyncio.Task[None] | None = None
        self._reservation_ids: list[uuid.UUID] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            undo = asyncio.create_task(self._undo())
            UNDOING.add(undo)
            undo.add_done_callback(UNDOING.discard)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(undo)

    async def store(self, original: Original, data: bytes) -> None:
        """Begins as soon as the one before is stored."""
        await self.stored()
        self._keys.append(original.path)
        storing = self._means.blobs.put(original.path, data, media_type(original.header.format))
        self._storing = asyncio.create_task(storing)

    async def stored(self) -> None:
        """A thread writes, which no cancellation stops: it is waited for before all is undone."""
        if self._storing:
            await asyncio.shield(self._storing)
            self._storing = None

    async def reserve(self, count: int, *, api_request: bool = False, feature: str = "") -> Reserved:
        """So many places, or none."""
        self._reservation_ids = [uuid.uuid4() for _ in range(count)]
        request = billing_pb2.ReserveRequest(
            reservation_ids=[str(one) for one in self._reservation_ids],
            user_id=self._user_id,
            api_request=api_request,
            feature=feature,
        )
        try:
            answer = await self._means.billing.Reserve(request)
        except errors.PermissionDenied:
            self._reservation_ids = []
            raise
        until, is_priority = timestamps.from_proto(answer.expires_at), QUEUE in answer.plan.features
        places = [Place(one, until, is_priority) for one in self._reservation_ids]
        return Reserved(places, answer.plan.max_scale, answer.usage)

    async def insert(self, images: Sequence[Image], batch: Batch | None = None) -> None:
        await self.stored()
        async with self._means.sessions.begin() as session:
            await library.add(session, self._user_id, images, self._means.rules, batch)

    async def _undo(self) -> None:
        """Nothing, where the rows may be there after all: a commit can fail in being told."""
        if self._storing:
            await asyncio.gather(self._storing, return_exceptions=True)
        if not await self._is_known_absent():
            return
        release = billing_pb2.ReleaseRequest(reservation_ids=[str(one) for one in self._reservation_ids])
        steps = [self._means.billing.Release(release)] if self._reservation_ids else []
        steps += [self._means.blobs.delete(self._keys)] if self._keys else []
        for error in await asyncio.gather(*steps, return_exceptions=True):
            if isinstance(error, BaseException):  # reservations expire, and objects are swept
                LOG.warning("could not undo an upload", user_id=self._user_id, error=str(error))

    async def _is_known_absent(self) -> bool:
        if not self._reservation_ids:
            return True
        try:
            async with self._means.sessions.begin() as session:
                return not await library.exists(session, self._reservation_ids[0])
        except Exception as error:  # noqa: BLE001  an object too many is better than an image without one
            LOG.warning("an upload is not undone", user_id=self._user_id, error=str(error))
            return False
