"""Several uploads in one call: all of them are accepted, or none.

Each file is stored while the next one arrives, so no more than two files are in memory. A refusal names
everything that is wrong with any file or option. Everything that was stored or reserved before is then
undone.
"""

import contextlib
import io
from collections.abc import AsyncIterator, Collection, Generator
from dataclasses import dataclass

from common import errors
from images.formats.header import too_large_text
from images.tables import Batch, Image
from images.uploads import file_names, sizing
from images.uploads.incomplete import incomplete_upload
from images.uploads.intake import Intake, LastStep, ServiceContext, do_nothing
from images.uploads.memory import Account
from images.uploads.original import Original, UploadOptions
from images.uploads.single import parse_options
from loupe.billing.v1 import billing_pb2
from loupe.contract import MOST_BATCH_IMAGES
from loupe.images.v1 import images_pb2 as pb

FEATURE = "batch_processing"
"""The feature that a plan must have for batches."""
LONGEST_NAME = 255

Fields = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class _Checked:
    """The checked options of a batch, and the size of each result by the position of its file."""

    options: UploadOptions
    sizes: dict[int, sizing.Size]


class BatchUploads:
    """Accepts batches."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context

    async def accept(
        self, user_id: int, parts: AsyncIterator[pb.CreateBatchRequest], last: LastStep = do_nothing
    ) -> tuple[Batch, list[Image], billing_pb2.Usage]:
        """Read and check the upload, and return the new rows and the month's usage including them.

        Raise `InvalidArgument` with all fields at fault, or `PermissionDenied` if the plan does not allow it.
        """
        with self._context.memory.account(user_id) as account:
            return await self._accept(user_id, parts, account, last)

    async def _accept(
        self, user_id: int, parts: AsyncIterator[pb.CreateBatchRequest], account: Account, last: LastStep
    ) -> tuple[Batch, list[Image], billing_pb2.Usage]:
        async with Intake(self._context, user_id) as intake:
            receiver = _Receiver(self._context, intake, account)
            form = await receiver.read(parts)
            checked = self._check(receiver, form, await self._context.model_names(form.model))
            reserved = await intake.reserve(receiver.count, api_request=form.api_request, feature=FEATURE)
            _check_scales(receiver.originals, checked, reserved.max_scale)
            images = [
                original.to_row(
                    user_id,
                    checked.options,
                    checked.sizes[position],
                    place,
                    self._context.limits(),
                    api_request=form.api_request,
                )
                for (position, original), place in zip(
                    receiver.originals.items(), reserved.places, strict=True
                )
            ]
            batch = to_batch(user_id, file_names.title(form.name), checked.options.sizes, len(images))
            batch.webhook_url = checked.options.webhook_url
            await intake.insert(images, batch, last=last)
        return batch, images, reserved.usage

    def _check(
        self, receiver: "_Receiver", form: pb.CreateBatchRequest.Options, model_names: Collection[str]
    ) -> _Checked:
        """Check everything except the plan. Raise `InvalidArgument` with every field at fault."""
        fields, checked = receiver.fields, _Checked(UploadOptions(), {})
        if not receiver.count:
            fields["images"] = ["The images field is required."]
        if len(file_names.title(form.name) or "") > LONGEST_NAME:
            fields["name"] = [f"The name may not be greater than {LONGEST_NAME} characters."]
        try:
            options = parse_options(form, model_names)
        except errors.InvalidArgument as error:
            fields |= error.fields
        else:
            problems = _Problems()
            limits, sizes = self._context.limits(), dict[int, sizing.Size]()
            for position, original in receiver.originals.items():
                with problems.of_image(position):
                    sizes[position] = original.result_size(options, limits)
            fields |= problems.fields
            checked = _Checked(options, sizes)
        if fields:
            raise errors.invalid(fields)
        return checked


class _Receiver:
    """Reads the messages of one call, and stores the files.

    `originals` are the files that can be upscaled, by their position. `fields` are the problems of the
    others.
    """

    def __init__(self, context: ServiceContext, intake: Intake, account: Account) -> None:
        self._context = context
        self._intake = intake
        self._account = account
        self._largest = context.settings.largest_upload_bytes
        self._filename = ""
        self._data = io.BytesIO()
        self._size = 0
        self._bytes_left = MOST_BATCH_IMAGES * self._largest
        self.count = 0
        self.originals: dict[int, Original] = {}
        self.fields: Fields = {}

    async def read(self, parts: AsyncIterator[pb.CreateBatchRequest]) -> pb.CreateBatchRequest.Options:
        """Read all messages, and return the form's texts."""
        form: pb.CreateBatchRequest.Options | None = None
        async for part in parts:
            match part.WhichOneof("part"):
                case "file":
                    await self._end_file()
                    self._begin_file(part.file.filename)
                case "chunk":
                    self._add_chunk(part.chunk)
                case _:
                    form = part.options
        if form is None:  # the caller has hung up: gRPC ends the messages first and cancels a moment later
            raise incomplete_upload()
        await self._end_file()
        return form

    def _begin_file(self, filename: str) -> None:
        if self.count == MOST_BATCH_IMAGES:
            problem = f"The images may not have more than {MOST_BATCH_IMAGES} items."
            raise errors.invalid({"images": [problem]})
        self.count += 1
        self._filename = file_names.clean(filename)
        self._size = 0

    def _add_chunk(self, chunk: bytes) -> None:
        """Add to the current file. Discard it if it is too large, but read on to check later files."""
        if not self.count:
            raise errors.InvalidArgument("The upload does not begin with a file.", reason="malformed_upload")
        self._size += len(chunk)
        self._bytes_left -= len(chunk)
        if self._size > self._largest:
            self._account.remove(self._data.tell())
            self._data = io.BytesIO()
            self.fields[self._field] = [too_large_text(self._largest)]
        else:
            self._account.add(len(chunk))
            self._data.write(chunk)
        if self._bytes_left < 0:
            raise errors.invalid(self.fields)

    async def _end_file(self) -> None:
        """Check the current file, and start to store it unless the batch will be refused anyway."""
        if not self.count or self._field in self.fields:
            return
        await self._intake.wait_until_stored()  # otherwise the next file would be a third one in memory
        self._account.remove(self._account.used - self._data.tell())  # of the file that is stored now
        data, self._data = self._data.getvalue(), io.BytesIO()
        try:
            header = await self._context.read_header(data, self._account.user_id)
        except errors.InvalidArgument as error:
            self.fields[self._field] = [text for texts in error.fields.values() for text in texts]
            self._account.remove(len(data))
            return
        original = Original(self._filename, len(data), header)
        self.originals[self.count - 1] = original
        if not self.fields:
            await self._intake.start_storing(original, data)

    @property
    def _field(self) -> str:
        return f"images.{self.count - 1}"


class _Problems:
    """Collects options that are invalid for some image. All images share them, so texts name the image."""

    def __init__(self) -> None:
        self.fields: Fields = {}

    @contextlib.contextmanager
    def of_image(self, position: int) -> Generator[None]:
        """Collect the fields of an `InvalidArgument` that is raised inside the block."""
        try:
            yield
        except errors.InvalidArgument as error:
            for name, texts in error.fields.items():
                named = [f"{text.removesuffix('.')} (images.{position})." for text in texts]
                self.fields.setdefault(name, []).extend(named)


def _check_scales(originals: dict[int, Original], checked: _Checked, max_scale: int) -> None:
    """Raise `InvalidArgument` if the plan does not allow one of the results."""
    problems = _Problems()
    for position, original in originals.items():
        with problems.of_image(position):
            original.check_scale(checked.sizes[position], checked.options, max_scale)
    if problems.fields:
        raise errors.invalid(problems.fields)


def to_batch(user_id: int, name: str | None, sizes: sizing.Options, count: int) -> Batch:
    return Batch(
        user_id=user_id,
        name=name,
        scale_factor=sizes.scale_factor,
        target_width=sizes.target_width,
        target_height=sizes.target_height,
        total_images=count,
    )
