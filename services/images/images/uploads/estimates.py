"""Says what an upload would become, without a file: by the checks that uploads go through."""

import functools
import math
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from common import errors
from common.db import now
from imagefile.formats import READABLE, Format
from images.domain import direct_uploads, undecodable
from images.domain.queue_estimate import Queue
from images.domain.retries import Place
from images.formats.header import Header, Refused, check_pixels, too_large_text
from images.formats.sniff import everyday_name, unknown_text
from images.settings import Settings
from images.tables import Image
from images.uploads import sizing
from images.uploads.direct import DirectUploads
from images.uploads.intake import ServiceContext
from images.uploads.original import Original
from images.uploads.single import check
from loupe.images.v1 import images_pb2 as pb

FORMATS: dict[str, Format] = {**{everyday_name(name): name for name in READABLE}, "jpg": "JPEG"}
LOSSY = ("JPEG", "WEBP", "AVIF", "HEIF", "JXL")
"""Formats whose files are taken for lossy ones."""
LARGEST_SIDE = 10**9
"""Larger sides are refused as impossible, and not as too many pixels."""
LOW, HIGH = 0.6, 1.6
"""The range around the likely seconds. Four of five images should take a time within it."""
ROUNDING_SECONDS = 2
"""Added to the upper end, because a short time is rounded, and a worker may just have begun a job."""


@dataclass(slots=True)
class Estimate:
    """The image that an upload would become, or the reasons why it is refused."""

    refusals: list[errors.ServiceError] = field(default_factory=list[errors.ServiceError])
    images: Sequence[Image] = ()
    """The rows that it may become, which are not stored. They differ in what only its pixels show."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture that the client describes."""

    width: int
    height: int
    format: Format
    bytes: int
    has_alpha: bool

    def header(self, settings: Settings, *, is_worn: bool) -> Header:
        """Return the header that such a file has. Raise `InvalidArgument` on `image` if it is refused."""
        if self.bytes > settings.largest_upload_bytes:
            raise errors.invalid({"image": [too_large_text(settings.largest_upload_bytes)]})
        if settings.formats and self.format not in settings.formats:
            raise errors.invalid({"image": [unknown_text(settings.formats)]})
        try:
            check_pixels(self.width * self.height, settings.largest_input_pixels)
        except Refused as refused:
            raise errors.invalid({"image": [str(refused)]}) from refused
        is_lossy = self.format in LOSSY
        return Header(
            self.format,
            self.width,
            self.height,
            is_lossy=is_lossy,
            is_worn=is_worn and is_lossy,
            has_alpha=self.has_alpha,
        )


class Estimates:
    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        self._uploads = DirectUploads(context)

    async def estimate(self, user_id: int, request: pb.EstimateRequest) -> Estimate:
        """Return what the upload would become. Raise `InvalidArgument` if the picture is not described."""
        picture, estimate = None if request.upload_id else parse_picture(request), Estimate()
        try:
            await self._refuse_over_limit(user_id)
            if picture:
                readings = (self._read(picture, is_worn=is_worn) for is_worn in (False, True))
            else:
                readings = iter([self._read_upload(user_id, request)])
            made = [await self._make(user_id, request, reading) for reading in readings]
            estimate.images = [image for image, _ in made]
            for _, check_scale in made:
                check_scale(request.max_scale or sizing.LARGEST_SCALE)
        except errors.ServiceError as error:
            if error.code not in REFUSALS:
                raise
            estimate.refusals.append(error)
        return estimate

    async def _make(
        self, user_id: int, request: pb.EstimateRequest, reading: Awaitable[Header]
    ) -> tuple[Image, Callable[[int], None]]:
        """Return the row that the upload may become, and the check of the plan's largest scale."""
        model_names = await self._context.model_names(request.options.model)
        file_field = direct_uploads.FIELD if request.upload_id else "image"
        options, header = await check(request.options, model_names, reading, file_field)
        original, limits = Original("", 1, header), self._context.limits()
        size = original.result_size(options, limits)
        place = Place(uuid.UUID(int=0), now(), request.is_priority)
        row = original.to_row(user_id, options, size, place, limits, api_request=True)
        return row, functools.partial(original.check_scale, size, options)

    async def _read(self, picture: Picture, *, is_worn: bool) -> Header:
        return picture.header(self._context.settings, is_worn=is_worn)

    async def _read_upload(self, user_id: int, request: pb.EstimateRequest) -> Header:
        """Return the header of the direct upload's file. The upload stays unused."""
        async with self._context.sessions.begin() as session:
            upload = await direct_uploads.get(session, user_id, request.upload_id)
        with self._context.memory.account(user_id) as account:
            data = await self._uploads.read(upload, account)
            return await self._context.read_header(data, user_id)

    async def _refuse_over_limit(self, user_id: int) -> None:
        async with self._context.sessions.begin() as session:
            await undecodable.refuse_over_limit(session, user_id, self._context.settings.undecodable_per_hour)


REFUSALS = (errors.InvalidArgument.code, errors.ResourceExhausted.code)
"""The kinds of errors that say that the upload would be refused."""


def parse_picture(request: pb.EstimateRequest) -> Picture:
    """Return the described picture. Raise `InvalidArgument` with every field at fault."""
    fields: dict[str, list[str]] = {}
    numbers = dict[str, int]()
    for name, text, bounds in (
        ("width", request.width, (1, LARGEST_SIDE)),
        ("height", request.height, (1, LARGEST_SIDE)),
        ("size", request.size, (1, 1 << 62)),
    ):
        if not text and name != "size":
            fields[name] = [f"The {name} field is required."]
        numbers[name] = sizing.parse_integer(name, text, bounds, fields) or 0
    if request.format and request.format.lower() not in FORMATS:
        fields["format"] = [errors.choice_text("format", FORMATS)]
    if request.transparent not in ("", "true", "false"):
        fields["transparent"] = [errors.choice_text("transparent", ("true", "false"))]
    if fields:
        raise errors.invalid(fields)
    return Picture(
        numbers["width"],
        numbers["height"],
        FORMATS[request.format.lower() or "jpeg"],
        numbers["size"],
        request.transparent == "true",
    )


def seconds(images: Sequence[Image], queue: Queue) -> pb.EstimateResponse.Seconds | None:
    """Return how long the upload would take from now. None if no worker has ever announced its speed."""
    found = [each for image in images if (each := queue.seconds(image)) is not None]
    if not found:
        return None
    return pb.EstimateResponse.Seconds(
        low=max(1, math.floor(min(found) * LOW)),
        likely=found[0],
        high=math.ceil(max(found) * HIGH) + ROUNDING_SECONDS,
    )
