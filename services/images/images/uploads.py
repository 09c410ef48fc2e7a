"""One upload, from the bytes to the row: checked, a place reserved, the original stored, then one
transaction.

Whatever fails on the way leaves nothing behind; if the process dies in between, the reservation expires by
itself, and the object stays without a row.
"""

import asyncio
import contextlib
import secrets
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common import errors, log, timestamps
from common.blobs import Blobs
from common.db import Sessions
from images import names, sizing
from images.domain import jobs, library
from images.formats import KINDS, extension, media_type
from images.settings import Settings
from images.sniff import Header, sniff
from images.tables import Image
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2 as pb

if TYPE_CHECKING:
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub

LOG = log.get(__name__)


@dataclass(slots=True)
class Upload:
    """What a client sent."""

    filename: str = ""
    api_request: bool = True
    data: bytes = b""
    options: pb.UpscaleRequest.Options = field(default_factory=pb.UpscaleRequest.Options)


async def receive(parts: AsyncIterator[pb.UpscaleRequest], largest_bytes: int) -> Upload:
    """Reads a call's messages; a file over the limit is refused as soon as it is."""
    upload, chunks, size, is_whole = Upload(), list[bytes](), 0, False
    async for part in parts:
        match part.WhichOneof("part"):
            case "start":
                upload.filename = names.clean(part.start.filename)
                upload.api_request = part.start.api_request
            case "chunk":
                chunks.append(part.chunk)
                size += len(chunks[-1])
            case _:
                upload.options, is_whole = part.options, True
        if size > largest_bytes:
            raise errors.invalid({"image": [f"The image may not be greater than {largest_bytes >> 20} MB."]})
    if not is_whole:  # the caller went away: gRPC ends the iterator first, and cancels a moment later
        raise errors.InvalidArgument("The upload ended early.", reason="incomplete_upload")
    upload.data = b"".join(chunks)
    return upload


def optional(options: pb.UpscaleRequest.Options, name: str) -> str | None:
    return getattr(options, name) if options.HasField(name) else None  # pyright: ignore[reportArgumentType]


class Uploads:
    def __init__(
        self,
        sessions: Sessions,
        blobs: Blobs,
        billing: "BillingServiceAsyncStub",
        settings: Settings,
        rules: jobs.Rules,
    ) -> None:
        self._sessions = sessions
        self._blobs = blobs
        self._billing = billing
        self._settings = settings
        self._rules = rules

    async def accept(self, user_id: int, upload: Upload) -> tuple[Image, billing_pb2.Usage]:
        options, header = await asyncio.to_thread(self._check, upload)
        reservation_id = uuid.uuid4()
        reserved = await self._billing.Reserve(
            billing_pb2.ReserveRequest(
                reservation_ids=[str(reservation_id)], user_id=user_id, api_request=upload.api_request
            )
        )
        image = self._image(user_id, upload, header, reservation_id, reserved)
        async with self._undone_on_failure(image):
            self._fit(image, options, header, reserved.plan.max_scale)
            await self._store(image.original_path, upload.data, media_type(header.format))
            async with self._sessions.begin() as session:
                session.add(image)
                await session.flush()
                await jobs.dispatch(session, user_id, self._rules)
        return image, reserved.usage

    def _check(self, upload: Upload) -> tuple[sizing.Options, Header]:
        """All that can be said without knowing the plan; every field at fault is named at once."""
        fields: dict[str, list[str]] = {}
        options, header = sizing.Options(), None
        try:
            options = sizing.parse(
                optional(upload.options, "scale_factor"),
                optional(upload.options, "target_width"),
                optional(upload.options, "target_height"),
            )
        except errors.InvalidArgument as error:
            fields |= error.fields
        try:
            header = sniff(upload.data, largest_pixels=self._settings.largest_input_pixels)
        except errors.InvalidArgument as error:
            fields = error.fields | fields
        if fields or header is None:
            raise errors.invalid(fields)
        sizing.output_size(header.width, header.height, options, self._limits(max_scale=sizing.SCALES[1]))
        return options, header

    def _limits(self, max_scale: int) -> sizing.Limits:
        return sizing.Limits(
            max_scale, self._settings.longest_output_side, self._settings.largest_output_pixels
        )

    def _fit(self, image: Image, options: sizing.Options, header: Header, max_scale: int) -> None:
        image.upscaled_width, image.upscaled_height = sizing.output_size(
            header.width, header.height, options, self._limits(max_scale)
        )
        image.scale_factor = options.scale_factor
        image.target_width, image.target_height = options.target_width, options.target_height

    def _image(
        self,
        user_id: int,
        upload: Upload,
        header: Header,
        reservation_id: uuid.UUID,
        reserved: billing_pb2.ReserveResponse,
    ) -> Image:
        stem, result = secrets.token_hex(16), KINDS[header.format].becomes
        return Image(
            user_id=user_id,
            original_filename=upload.filename,
            original_path=f"images/originals/{stem}.{extension(header.format)}",
            original_bytes=len(upload.data),
            original_width=header.width,
            original_height=header.height,
            upscaled_path=f"images/upscaled/{stem}.{extension(result)}",
            upscaled_format=result,
            upscaled_width=0,
            upscaled_height=0,
            api_request=upload.api_request,
            is_priority="priority_queue" in reserved.plan.features,
            reservation_id=reservation_id,
            reserved_until=timestamps.from_proto(reserved.expires_at),
        )

    async def _store(self, key: str, data: bytes, media: str) -> None:
        """A thread writes it, which no cancellation stops: only what has been written can be undone."""
        storing = asyncio.create_task(self._blobs.put(key, data, media))
        try:
            await asyncio.shield(storing)
        except asyncio.CancelledError:
            await asyncio.wait({storing})
            raise

    @contextlib.asynccontextmanager
    async def _undone_on_failure(self, image: Image) -> AsyncGenerator[None]:
        try:
            yield
        except BaseException:
            undo = asyncio.create_task(self._undo(image))
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(undo)
            raise

    async def _undo(self, image: Image) -> None:
        """Nothing, where the row may be there after all: a commit can fail in being told."""
        if not await self._is_known_absent(image):
            return
        release = billing_pb2.ReleaseRequest(reservation_ids=[str(image.reservation_id)])
        results = await asyncio.gather(
            self._billing.Release(release),
            self._blobs.delete([image.original_path]),
            return_exceptions=True,
        )
        for error in results:
            if isinstance(error, BaseException):  # the reservation expires by itself
                LOG.warning("could not undo an upload", key=image.original_path, error=str(error))

    async def _is_known_absent(self, image: Image) -> bool:
        try:
            async with self._sessions.begin() as session:
                return not await library.exists(session, image.reservation_id)
        except Exception as error:  # noqa: BLE001  an object too many is better than an image without one
            LOG.warning("an upload is not undone", key=image.original_path, error=str(error))
            return False
