"""Several uploads at once, all of them or none.

Each file is stored while the next one comes, so that no more than two are held. What is wrong with any of
them is told together, and then nothing is left.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from common import errors
from images.formats.sniff import sniff
from images.tables import Batch, Image
from images.uploads import file_names, sizing
from images.uploads.intake import Intake, Original, Reserved, ServiceContext, UploadOptions
from images.uploads.single import incomplete, parse, too_large
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2 as pb

FEATURE = "batch_processing"
MOST_IMAGES = 20
LONGEST_NAME = 255

Fields = dict[str, list[str]]


class BatchUploads:
    def __init__(self, means: ServiceContext) -> None:
        self._means = means

    async def accept(
        self, user_id: int, parts: AsyncIterator[pb.CreateBatchRequest]
    ) -> tuple[Batch, Sequence[Image], billing_pb2.Usage]:
        async with Intake(self._means, user_id) as intake:
            receiving = _Receiving(self._means, intake)
            options = await receiving.read(parts)
            wishes = self._checked(receiving, options, await self._means.models(options.model))
            reserved = await intake.reserve(receiving.count, api_request=options.api_request, feature=FEATURE)
            images = self._images(user_id, receiving, wishes, reserved, api_request=options.api_request)
            batch = Batch(
                user_id=user_id,
                name=file_names.title(options.name),
                scale_factor=wishes.sizes.scale_factor,
                target_width=wishes.sizes.target_width,
                target_height=wishes.sizes.target_height,
                total_images=len(images),
            )
            await intake.insert(images, batch)
        return batch, images, reserved.usage

    def _checked(
        self, receiving: "_Receiving", options: pb.CreateBatchRequest.Options, models: Collection[str]
    ) -> UploadOptions:
        """All that can be said without knowing the plan; every field at fault is named at once."""
        fields, wishes = receiving.fields, UploadOptions()
        if not receiving.count:
            fields["images"] = ["The images field is required."]
        if len(file_names.title(options.name) or "") > LONGEST_NAME:
            fields["name"] = [f"The name may not be greater than {LONGEST_NAME} characters."]
        try:
            wishes = parse(options, models)
        except errors.InvalidArgument as error:
            fields |= error.fields
        else:
            fields |= _misfits(receiving.originals, wishes, self._means.limits(max_scale=sizing.SCALES[1]))
        if fields:
            raise errors.invalid(fields)
        return wishes

    def _images(
        self,
        user_id: int,
        receiving: "_Receiving",
        wishes: UploadOptions,
        reserved: Reserved,
        *,
        api_request: bool,
    ) -> list[Image]:
        limits = self._means.limits(reserved.max_scale)
        if fields := _misfits(receiving.originals, wishes, limits):
            raise errors.invalid(fields)
        return [
            each.image(user_id, wishes, each.result_size(wishes, limits), place, api_request=api_request)
            for each, place in zip(receiving.originals.values(), reserved.places, strict=True)
        ]


class _Receiving:
    """Reads a call's messages. `originals` can be upscaled; their keys are their places in the upload."""

    def __init__(self, means: ServiceContext, intake: Intake) -> None:
        self._means = means
        self._intake = intake
        self._largest = means.settings.largest_upload_bytes
        self._filename = ""
        self._data = bytearray()
        self._size = 0
        self._left = MOST_IMAGES * self._largest
        self.count = 0
        self.originals: dict[int, Original] = {}
        self.fields: Fields = {}

    async def read(self, parts: AsyncIterator[pb.CreateBatchRequest]) -> pb.CreateBatchRequest.Options:
        options: pb.CreateBatchRequest.Options | None = None
        async for part in parts:
            match part.WhichOneof("part"):
                case "file":
                    await self._end_file()
                    self._begin_file(part.file.filename)
                case "chunk":
                    self._take(part.chunk)
                case _:
                    options = part.options
        if options is None:  # the caller went away: gRPC ends the iterator first, and cancels a moment later
            raise incomplete()
        await self._end_file()
        return options

    def _begin_file(self, filename: str) -> None:
        if self.count == MOST_IMAGES:
            raise errors.invalid({"images": [f"The images may not have more than {MOST_IMAGES} items."]})
        self.count += 1
        self._filename = file_names.clean(filename)
        self._size = 0

    def _take(self, chunk: bytes) -> None:
        """Of a file that is too large nothing is kept, but what follows may be at fault too."""
        if not self.count:
            raise errors.InvalidArgument("The upload does not begin with a file.", reason="malformed_upload")
        self._size += len(chunk)
        self._left -= len(chunk)
        if self._size > self._largest:
            self._data.clear()
            self.fields[self._field] = [too_large(self._largest)]
        else:
            self._data += chunk
        if self._left < 0:
            raise errors.invalid(self.fields)

    async def _end_file(self) -> None:
        if not self.count or self._field in self.fields:
            return
        await self._intake.stored()  # before there are two copies of this one
        data, self._data = bytes(self._data), bytearray()
        try:
            header = await asyncio.to_thread(
                sniff, data, largest_pixels=self._means.settings.largest_input_pixels
            )
        except errors.InvalidArgument as error:
            self.fields[self._field] = [text for texts in error.fields.values() for text in texts]
            return
        original = Original(self._filename, len(data), header)
        self.originals[self.count - 1] = original
        if not self.fields:
            await self._intake.store(original, data)

    @property
    def _field(self) -> str:
        return f"images.{self.count - 1}"


def _misfits(originals: Mapping[int, Original], wishes: UploadOptions, limits: sizing.Limits) -> Fields:
    """Which options do not suit which image. The option is at fault, for there is one for all."""
    fields: Fields = {}
    for place, original in originals.items():
        try:
            original.result_size(wishes, limits)
        except errors.InvalidArgument as error:
            for name, texts in error.fields.items():
                told = [f"{text.removesuffix('.')} (images.{place})." for text in texts]
                fields.setdefault(name, []).extend(told)
    return fields
