"""One upload, from the bytes to the row."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field, replace

from common import errors
from images.formats.sniff import Header, sniff
from images.tables import Image
from images.uploads import file_names, output, sizing
from images.uploads.intake import Intake, Original, ServiceContext, UploadOptions
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2 as pb


@dataclass(slots=True)
class Upload:
    """What a client sent."""

    filename: str = ""
    api_request: bool = True
    data: bytes = b""
    options: pb.UpscaleRequest.Options = field(default_factory=pb.UpscaleRequest.Options)


async def receive(parts: AsyncIterator[pb.UpscaleRequest], largest_bytes: int) -> Upload:
    """Reads a call's messages; a file over the limit is refused as soon as it is."""
    upload, data, is_whole = Upload(), bytearray(), False
    async for part in parts:
        match part.WhichOneof("part"):
            case "start":
                upload.filename = file_names.clean(part.start.filename)
                upload.api_request = part.start.api_request
            case "chunk":
                data += part.chunk
            case _:
                upload.options, is_whole = part.options, True
        if len(data) > largest_bytes:
            raise errors.invalid({"image": [too_large(largest_bytes)]})
    if not is_whole:  # the caller went away: gRPC ends the iterator first, and cancels a moment later
        raise incomplete()
    upload.data = bytes(data)
    return upload


def too_large(largest_bytes: int) -> str:
    return f"The image may not be greater than {largest_bytes >> 20} MB."


def incomplete() -> errors.InvalidArgument:
    return errors.InvalidArgument("The upload ended early.", reason="incomplete_upload")


def parse(
    options: pb.UpscaleRequest.Options | pb.CreateBatchRequest.Options, models: Collection[str]
) -> UploadOptions:
    """Every field at fault is named at once. `models` are those that are served."""
    fields: dict[str, list[str]] = {}
    wishes = UploadOptions()
    try:
        sizes = (options.scale_factor, options.target_width, options.target_height)
        wishes = replace(wishes, sizes=sizing.parse(*sizes))
    except errors.InvalidArgument as error:
        fields |= error.fields
    try:
        made = (options.fit, options.output_format, options.quality, options.metadata, options.model)
        wishes = replace(wishes, output=output.parse(*made, models=models))
    except errors.InvalidArgument as error:
        fields |= error.fields
    if fields:
        raise errors.invalid(fields)
    return wishes


class Uploads:
    def __init__(self, means: ServiceContext) -> None:
        self._means = means

    async def accept(self, user_id: int, upload: Upload) -> tuple[Image, billing_pb2.Usage]:
        models = await self._means.models(upload.options.model)
        wishes, header = await asyncio.to_thread(self._check, upload, models)
        original = Original(upload.filename, len(upload.data), header)
        original.result_size(wishes, self._means.limits(max_scale=sizing.SCALES[1]))
        async with Intake(self._means, user_id) as intake:
            reserved = await intake.reserve(1, api_request=upload.api_request)
            size = original.result_size(wishes, self._means.limits(reserved.max_scale))
            await intake.store(original, upload.data)
            image = original.image(user_id, wishes, size, reserved.places[0], api_request=upload.api_request)
            await intake.insert([image])
        return image, reserved.usage

    def _check(self, upload: Upload, models: Collection[str]) -> tuple[UploadOptions, Header]:
        """Every field at fault is named at once."""
        fields: dict[str, list[str]] = {}
        wishes, header = UploadOptions(), None
        try:
            wishes = parse(upload.options, models)
        except errors.InvalidArgument as error:
            fields |= error.fields
        try:
            header = sniff(upload.data, largest_pixels=self._means.settings.largest_input_pixels)
        except errors.InvalidArgument as error:
            fields = error.fields | fields
        if fields or header is None:
            raise errors.invalid(fields)
        return wishes, header
