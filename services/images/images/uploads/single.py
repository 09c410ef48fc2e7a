"""A single upload, from the messages of the call to the row of the image."""

import io
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace

from common import errors
from images.formats.header import Header, too_large_text
from images.tables import Image
from images.upload_tables import DirectUpload
from images.uploads import file_names, output, sizing
from images.uploads.incomplete import incomplete_upload
from images.uploads.intake import Intake, LastStep, ServiceContext, do_nothing
from images.uploads.memory import Account
from images.uploads.original import Original, UploadOptions
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2 as pb

FIT_NEEDS_TARGETS = "The fit can only be used with both target_width and target_height."


@dataclass(slots=True)
class Upload:
    """A file and its options as the client sent them, not checked yet."""

    filename: str = ""
    api_request: bool = True
    data: bytes = b""
    options: pb.UpscaleRequest.Options = field(default_factory=pb.UpscaleRequest.Options)
    field_name: str = "image"
    """The field of the request that the file comes from."""
    upload_id: str = ""
    """The direct upload that has the file."""
    direct: DirectUpload | None = None


async def check_later(_: pb.UpscaleRequest.Options) -> None:
    """Check nothing: `Uploads.accept` checks the options again."""


async def receive(
    parts: AsyncIterator[pb.UpscaleRequest],
    largest_bytes: int,
    account: Account,
    check_options: Callable[[pb.UpscaleRequest.Options], Awaitable[object]] = check_later,
) -> Upload:
    """Read the messages of a call. Raise `InvalidArgument` as soon as the file exceeds `largest_bytes`, and
    `Unavailable` as soon as there is no memory for it. The options of a link are checked before its file.
    """
    upload, data, is_whole = Upload(), io.BytesIO(), False
    async for part in parts:
        match part.WhichOneof("part"):
            case "start":
                upload.filename = file_names.clean(part.start.filename)
                upload.api_request = part.start.api_request
                if part.start.HasField("link"):
                    upload.field_name = "image_url"
                    await check_options(part.start.link.options)
                upload.upload_id = part.start.upload_id
            case "chunk":
                account.add(len(part.chunk))
                data.write(part.chunk)
            case _:
                upload.options, is_whole = part.options, True
        if data.tell() > largest_bytes:
            raise errors.invalid({upload.field_name: [too_large_text(largest_bytes)]})
    if not is_whole:  # the caller has hung up: gRPC ends the messages first and cancels a moment later
        raise incomplete_upload()
    upload.data = data.getvalue()  # no copy: it hands out its own buffer
    return upload


def parse_options(
    form: pb.UpscaleRequest.Options | pb.CreateBatchRequest.Options, model_names: Collection[str]
) -> UploadOptions:
    """Return the options from the form's texts. Raise `InvalidArgument` with every field at fault.

    `model_names` are the models that clients may request.
    """
    fields: dict[str, list[str]] = {}
    options, sizes = UploadOptions(), (form.scale_factor, form.target_width, form.target_height)
    try:
        options = replace(options, sizes=sizing.parse(*sizes))
    except errors.InvalidArgument as error:
        fields |= error.fields
    if fields or not any(sizes):
        for name, option in sorted(form.near_misses.items()):
            fields[name] = [f"The {name} field is unknown: did you mean `{option}`?"]
    try:
        options = replace(options, output=output.parse(form, model_names))
    except errors.InvalidArgument as error:
        fields |= error.fields
    if form.fit and not (form.target_width and form.target_height):
        fields.setdefault("fit", [FIT_NEEDS_TARGETS])
    if form.webhook_url_problem:
        fields["webhook_url"] = [form.webhook_url_problem]
    if fields:
        raise errors.invalid(fields)
    return replace(options, webhook_url=form.webhook_url or None)


async def check(
    form: pb.UpscaleRequest.Options,
    model_names: Collection[str],
    reading: Awaitable[Header],
    file_field: str = "image",
) -> tuple[UploadOptions, Header]:
    """Check the options, and the file whose header `reading` reads.

    Raise `InvalidArgument` with every field at fault. `file_field` is the field that has the file.
    """
    fields: dict[str, list[str]] = {}
    options, header = UploadOptions(), None
    try:
        options = parse_options(form, model_names)
    except errors.InvalidArgument as error:
        fields |= error.fields
    try:
        header = await reading
    except errors.InvalidArgument as error:
        named = {file_field if name == "image" else name: texts for name, texts in error.fields.items()}
        fields = named | fields
    if fields or header is None:
        raise errors.invalid(fields)
    return options, header


class Uploads:
    """Accepts single uploads."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context

    async def accept(
        self, user_id: int, upload: Upload, last: LastStep = do_nothing
    ) -> tuple[Image, billing_pb2.Usage]:
        """Check the upload, and return the new row and the month's usage including it.

        Raise `InvalidArgument` with all fields at fault, or `PermissionDenied` if the plan does not allow it.
        """
        model_names = await self._context.model_names(upload.options.model)
        reading = self._context.read_header(upload.data, user_id)
        options, header = await check(upload.options, model_names, reading, upload.field_name)
        original = Original(upload.filename, len(upload.data), header)
        limits = self._context.limits()
        size = original.result_size(options, limits)
        async with Intake(self._context, user_id) as intake:
            reserved = await intake.reserve(1, api_request=upload.api_request, object_keys=[original.path])
            original.check_scale(size, options, reserved.max_scale)
            await intake.start_storing(original, upload.data)
            place = reserved.places[0]
            image = original.to_row(user_id, options, size, place, limits, api_request=upload.api_request)
            image.webhook_url = options.webhook_url
            await intake.insert([image], direct=upload.direct, last=last)
        return image, reserved.usage

    async def check_options(self, options: pb.UpscaleRequest.Options) -> UploadOptions:
        """Return the options. Raise `InvalidArgument` with every field at fault."""
        return parse_options(options, await self._context.model_names(options.model))
