"""Fetches the files of manifests in the background, and puts each through the check of uploads.

Outbound fetches links. Direct uploads are read from the object store. A fetch that cannot go on because of us
begins again later. One that fails because of its host is tried again a few times, and then fails its image.
"""

import asyncio
import contextlib
import io
import uuid
from collections import Counter
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, cast

from prometheus_client import Counter as Metric

from common import errors, log, process
from common.repeated import Repeated
from imagefile.formats import parse_format
from images.domain import direct_uploads, fetches
from images.domain.fetches import Claim
from images.domain.retries import Place
from images.failing_hosts import MOST_IN_A_ROW, FailingHosts
from images.formats.header import too_large_text
from images.tables import Image
from images.upload_tables import DirectUpload
from images.uploads import file_names, sizing
from images.uploads.direct import DirectUploads
from images.uploads.intake import Intake, ServiceContext
from images.uploads.memory import Account
from images.uploads.original import Original, UploadOptions
from images.uploads.output import Fit, Output
from loupe.outbound.v1 import outbound_pb2

if TYPE_CHECKING:
    from loupe.outbound.v1.outbound_pb2_grpc import OutboundServiceAsyncStub

REPEATED = Repeated(log.get(__name__))
FIELD = "image_url"
FETCH_SECONDS = 150.0
"""More than the longest time that outbound may give a fetch. Outbound ends it earlier, and says why."""
PASSING = frozenset(
    {"lookup_failed", "connection_refused", "connection_failed", "too_slow", "status_refused"}
)
"""Outbound's reasons for which another try may succeed soon."""
PAUSES_SECONDS = (2.0, 10.0)
"""Pauses before the next tries of a host that failed."""
LEFT_ALONE = f"The last {MOST_IN_A_ROW} requests to this host failed. Retry the image in a minute."
LATER_SECONDS = 5.0
"""A fetch that cannot go on because of us begins again after this time."""
POLL_SECONDS = 1.0
RENEW_SECONDS = 5.0

fetched = Metric("loupe_manifest_fetches_total", "Fetches of files for items of manifests", ["outcome"])


class Fetcher:
    def __init__(self, context: ServiceContext, outbound: "OutboundServiceAsyncStub", parallel: int) -> None:
        """`parallel` is the number of fetches at a time, of which one user may have half."""
        self._context = context
        self._outbound = outbound
        self._direct = DirectUploads(context)
        self._parallel = parallel
        self._most_of_user = max(1, parallel // 2)
        self._id = uuid.uuid4()
        self._failing_hosts = FailingHosts()
        self._running = dict[int, int]()
        """The user of each fetch under way, by the id of its image."""

    async def run(self) -> None:
        """Fetch until cancelled. Fetches that are then under way begin again elsewhere."""
        async with asyncio.TaskGroup() as group:
            group.create_task(process.every(RENEW_SECONDS, self._renew))
            ended = asyncio.Event()
            while True:
                ended.clear()
                await self._start_some(group, ended)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await ended.wait()

    async def _start_some(self, group: asyncio.TaskGroup, ended: asyncio.Event) -> None:
        """Start as many fetches as there are free places."""
        free = self._parallel - len(self._running)
        if not free:
            return
        try:
            async with self._context.sessions.begin() as session:
                of_users = Counter(self._running.values())
                claims = await fetches.claim(
                    session,
                    self._id,
                    of_users,
                    free,
                    self._most_of_user,
                    self._context.rules.undecodable_per_hour,
                )
        except Exception as error:  # noqa: BLE001  the next round tries again
            _report("manifests are not fetched", error)
            return
        for claim in claims:
            self._running[claim.image_id] = claim.user_id
            task = group.create_task(self._fetch(claim))
            task.add_done_callback(lambda _, image_id=claim.image_id: self._end(image_id, ended))

    def _end(self, image_id: int, ended: asyncio.Event) -> None:
        self._running.pop(image_id, None)
        ended.set()

    async def _renew(self) -> None:
        if self._running:
            async with self._context.sessions.begin() as session:
                await fetches.renew(session, self._id, list(self._running))

    async def _fetch(self, claim: Claim) -> None:
        """Fetch one file. Whatever goes wrong is stored with its image, or the fetch begins again later."""
        try:
            outcome = await self._try(claim)
        except Exception as error:  # noqa: BLE001  the claim expires, and the fetch begins again
            outcome = "put_off"
            _report("a file of a manifest is not fetched yet", error)
        fetched.labels(outcome).inc()

    async def _try(self, claim: Claim) -> str:
        if claim.url and self._failing_hosts.is_left_alone(claim.user_id, claim.url):
            await self._fail(claim, errors.invalid({FIELD: [LEFT_ALONE]}))
            return "left_alone"
        try:
            outcome = await self._store(claim)
        except _Unwanted:
            async with self._context.sessions.begin() as session:
                await fetches.forget_unwanted(session, claim)
            return "unwanted"
        except errors.InvalidArgument as error:
            if claim.url and _is_of_file(error):
                self._failing_hosts.note_failure(claim.user_id, claim.url)
            if error.reason in PASSING and claim.failures < len(PAUSES_SECONDS):
                await self._put_off(claim, PAUSES_SECONDS[claim.failures], failed=True)
                return "tried_again"
            await self._fail(claim, error)
            return "failed"
        except errors.ServiceError as error:
            _report("a file of a manifest is not fetched yet", error)
            await self._put_off(claim, LATER_SECONDS, failed=False)
            return "put_off"
        if claim.url:
            self._failing_hosts.note_success(claim.user_id, claim.url)
        return outcome

    async def _store(self, claim: Claim) -> str:
        """Fetch the file, check and store it, and queue the image.

        Raise `InvalidArgument` if there is no file, or it cannot be upscaled.
        """
        with self._context.memory.account(claim.user_id) as account:
            filename, data, direct = await self._read(claim, account)
            header = await self._context.read_header(data, claim.user_id)
            original = Original(filename, len(data), header)
            async with Intake(self._context, claim.user_id) as intake:
                await intake.start_storing(original, data)
                async with intake.commit() as session:
                    image = await fetches.lock(session, claim)
                    if image is None:
                        raise _Unwanted
                    self._describe(image, claim, original)
                    await fetches.complete(session, image, direct, self._context.rules)
        return "fetched"

    async def _read(self, claim: Claim, account: Account) -> tuple[str, bytes, DirectUpload | None]:
        """Return the name and the bytes of the file, and the direct upload that had it."""
        if claim.upload_id:
            async with self._context.sessions.begin() as session:
                direct = await direct_uploads.get_taken(session, claim.upload_id)
            return direct.filename, await self._direct.read(direct, account), direct
        filename, data = "", io.BytesIO()
        largest = self._context.settings.largest_upload_bytes
        request = outbound_pb2.FetchRequest(url=claim.url or "", field=FIELD)
        call = self._outbound.Fetch(request, timeout=FETCH_SECONDS)
        async with contextlib.aclosing(cast("AsyncGenerator[outbound_pb2.FetchResponse]", call)) as parts:
            async for part in parts:
                filename = part.head.filename or filename
                account.add(len(part.chunk))
                data.write(part.chunk)
                if data.tell() > largest:
                    raise errors.invalid({FIELD: [too_large_text(largest)]})
        return file_names.clean(filename), data.getvalue(), None

    def _describe(self, image: Image, claim: Claim, original: Original) -> None:
        """Set the columns of the image that its file decides. Raise `InvalidArgument` if its options do not
        suit the file.
        """
        options, limits = _options(image, claim), self._context.limits()
        size = original.result_size(options, limits)
        original.check_scale(size, options, claim.max_scale)
        place = Place(image.reservation_id, image.reserved_until, image.is_priority)
        row = original.to_row(image.user_id, options, size, place, limits, api_request=image.api_request)
        for name in OF_THE_FILE:
            setattr(image, name, getattr(row, name))

    async def _put_off(self, claim: Claim, seconds: float, *, failed: bool) -> None:
        async with self._context.sessions.begin() as session:
            await fetches.put_off(session, claim, seconds, failed=failed)

    async def _fail(self, claim: Claim, error: errors.InvalidArgument) -> None:
        message = next((text for texts in error.fields.values() for text in texts), error.message)
        async with self._context.sessions.begin() as session:
            if image := await fetches.lock(session, claim):
                await fetches.fail(session, image, message, self._context.rules, retryable=_is_of_file(error))


class _Unwanted(Exception):
    """The image that a file was fetched for is gone, or needs it no more."""


OF_THE_FILE = (
    "original_filename",
    "original_path",
    "original_bytes",
    "original_width",
    "original_height",
    "upscaled_path",
    "upscaled_format",
    "upscaled_width",
    "upscaled_height",
    "work_megapixels",
    "work_kind",
    "pictures",
    "warnings",
)
"""The columns of an image that its file decides."""


def _options(image: Image, claim: Claim) -> UploadOptions:
    """Return the options with which the image was accepted."""
    sizes = sizing.Options(image.scale_factor, image.target_width, image.target_height)
    return UploadOptions(
        sizes,
        Output(
            format=parse_format(claim.output_format) if claim.output_format else None,
            quality=image.quality,
            fit=Fit(image.fit),
            keeps_metadata=image.keeps_metadata,
            model=image.model_asked,
            dpi=image.dpi,
            denoise=image.denoise_asked,
            strength=image.strength_asked,
            expires_in=image.expires_in,
        ),
    )


def _is_of_file(error: errors.InvalidArgument) -> bool:
    """Return whether the file is at fault, or there is none. Otherwise its options are."""
    return not error.fields or bool(error.fields.keys() & {FIELD, "image", direct_uploads.FIELD})


def _report(event: str, error: Exception) -> None:
    REPEATED.warning(
        event, cause=type(error), error=log.error_text(error), action="trying again until it is possible"
    )
