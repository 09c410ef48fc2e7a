"""The upload forms: their fields, and how they become messages to the images service."""

import re
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from fastapi import Request

from common import errors
from gateway.backend import backend_of
from gateway.http.field_warnings import warnings_of
from gateway.http.multipart import DEFAULT_TIME, FileStart, Form, read_form
from gateway.http.upload_gate import UploadTime, declared_bytes
from gateway.identity.callers import Caller
from gateway.routes import submissions
from gateway.routes.upload_addresses import with_checked_address
from imagefile.formats import CHOICES, WRITABLE, Format
from loupe import refusals
from loupe.contract import LARGEST_UPLOAD_BYTES, LONGEST_OUTPUT_SIDE, MOST_BATCH_IMAGES, SCALE_FACTORS
from loupe.images.v1 import images_pb2 as pb
from rest.choices import SCALE_FACTOR, a_choice

Json = dict[str, Any]
FORM_OVERHEAD_BYTES = 1 << 20
"""Room for the parts of a form that are not files."""
ANSWER_SECONDS = 60.0
"""Time for images to check and store what has arrived."""
REFUSALS = (
    *submissions.REFUSALS,
    refusals.TOO_MANY_UNDECODABLE,
    refusals.TOO_MANY_UPLOADS,
    refusals.UPLOADS_FULL,
)
"""The refusals of an upload, beside those of every route."""
FILE_SCHEMA: Json = {"type": "string", "format": "binary"}
FIT = a_choice(
    "Fit",
    "How a picture fills a target of another aspect ratio: `stretch` distorts it, "
    "`cover` cuts off the sides that are too long, `contain` adds a border.",
    ("stretch", "cover", "contain"),
)
METADATA = a_choice("Metadata", "Whether the result has the EXIF data of the original.", ("strip", "keep"))
PRECISION = a_choice(
    "Precision",
    "How exactly networks compute: `auto` takes bfloat16 or half precision where that is faster, "
    "`exact` always single precision.",
    ("auto", "exact"),
)
SIDE_SCHEMA: Json = {"type": "integer", "minimum": 1, "maximum": LONGEST_OUTPUT_SIDE}
OPTIONS: Json = {
    "scale_factor": SCALE_FACTOR | {"default": SCALE_FACTORS[0]},
    "target_width": SIDE_SCHEMA,
    "target_height": SIDE_SCHEMA,
    "fit": FIT | {"default": "stretch"},
    "output_format": a_choice("OutputFormat", "A format that results can have.", CHOICES),
    "quality": {"type": "integer", "minimum": 1, "maximum": 100},
    "metadata": METADATA | {"default": "strip"},
    "model": {"type": "string", "maxLength": 64, "default": "auto"},
    "denoise": {"type": "integer", "minimum": 0, "maximum": 3},
    "strength": {"type": "number", "minimum": 0, "maximum": 1},
    "precision": PRECISION | {"default": "auto"},
    "dpi": {"type": "integer", "minimum": 1, "maximum": 65_535},
    "webhook_url": {"type": "string", "format": "uri", "maxLength": 2048},
    "expires_in": {"type": "integer", "minimum": 60, "maximum": 315_360_000},
}
"""The text fields of both forms, as in the API's description. The images service checks their values."""
UPLOAD_ID = "upload_id"
"""The field that names a direct upload instead of a file."""
IMAGE_FIELDS: Json = {"image": FILE_SCHEMA, UPLOAD_ID: {"type": "string", "format": "uuid"}} | OPTIONS
BATCH_FIELDS: Json = {
    "images[]": {"type": "array", "minItems": 1, "maxItems": MOST_BATCH_IMAGES, "items": FILE_SCHEMA},
    "name": {"type": "string", "maxLength": 255},
} | OPTIONS

IMAGE_FORM = Form(
    file_field="image",
    file_parts=re.compile("image"),
    text_parts=(*OPTIONS, UPLOAD_ID),
    largest_body_bytes=LARGEST_UPLOAD_BYTES + FORM_OVERHEAD_BYTES,
    most_files=1,
    too_many_files="The image field must be a single file.",
)
BATCH_FORM = Form(
    file_field="images",
    file_parts=re.compile(r"images(\[[0-9]*\])?"),
    text_parts=(*OPTIONS, "name"),
    # one file more, so that the error can name the number of files
    largest_body_bytes=(MOST_BATCH_IMAGES + 1) * LARGEST_UPLOAD_BYTES + FORM_OVERHEAD_BYTES,
    most_files=MOST_BATCH_IMAGES,
    too_many_files=f"The images may not have more than {MOST_BATCH_IMAGES} items.",
)


async def send_image(request: Request, caller: Caller) -> pb.UpscaleResponse:
    """Send the form to images, and return its answer, whose headers are added to ours.

    Raise `Unavailable` if too many uploads are under way.
    """
    backend, metadata = backend_of(request), submissions.metadata_of(request, caller)
    async with backend.upload_gate.admit(caller.user.id):
        form = read_image_form(request, backend.upload_time, api_request=not caller.is_console_session)
        messages, seconds = with_checked_address(caller, form), _call_seconds(request, IMAGE_FORM)
        response = await caller.images.Upscale(messages, timeout=seconds, metadata=metadata)
    submissions.describe_answer(request, caller, response)
    return response


async def send_batch(request: Request, caller: Caller) -> pb.CreateBatchResponse:
    """Send the form to images, and return its answer, whose headers are added to ours.

    Raise `Unavailable` if too many uploads are under way.
    """
    backend, metadata = backend_of(request), submissions.metadata_of(request, caller)
    async with backend.upload_gate.admit(caller.user.id):
        form = read_batch_form(request, backend.upload_time, api_request=not caller.is_console_session)
        messages, seconds = with_checked_address(caller, form), _call_seconds(request, BATCH_FORM)
        response = await caller.images.CreateBatch(messages, timeout=seconds, metadata=metadata)
    submissions.describe_answer(request, caller, response)
    return response


def _call_seconds(request: Request, form: Form) -> float:
    """Return the deadline of the call, which must not end before the time of the body."""
    size = min(declared_bytes(request) or form.largest_body_bytes, form.largest_body_bytes)
    return backend_of(request).upload_time.seconds_for(size) + ANSWER_SECONDS


async def read_image_form(
    request: Request, upload_time: UploadTime = DEFAULT_TIME, *, api_request: bool = True
) -> AsyncGenerator[pb.UpscaleRequest]:
    """Yield the messages of one `Upscale` call. The options come last. Without them nothing is accepted."""
    has_file = False
    async for event in read_form(request, IMAGE_FORM, upload_time):
        if isinstance(event, FileStart):
            has_file = True
            start = pb.UpscaleRequest.Start(filename=event.filename or "", api_request=api_request)
            yield pb.UpscaleRequest(start=start)
        elif isinstance(event, bytes):
            yield pb.UpscaleRequest(chunk=event)
        else:
            upload_id = event.texts.pop(UPLOAD_ID, "")
            if upload_id and has_file:
                raise errors.invalid({UPLOAD_ID: ["The upload id may not be sent together with an image."]})
            if upload_id:
                start = pb.UpscaleRequest.Start(upload_id=upload_id, api_request=api_request)
                yield pb.UpscaleRequest(start=start)
            request.state.options = event.texts
            options = pb.UpscaleRequest.Options(near_misses=event.near_misses, **event.texts)
            yield pb.UpscaleRequest(options=options)


async def read_batch_form(
    request: Request, upload_time: UploadTime = DEFAULT_TIME, *, api_request: bool = True
) -> AsyncGenerator[pb.CreateBatchRequest]:
    """Yield the messages of one `CreateBatch` call, with the files in the order of their arrival."""
    async for event in read_form(request, BATCH_FORM, upload_time):
        if isinstance(event, FileStart):
            if event.filename is None:
                name = f"images.{event.position}"
                raise errors.invalid({name: [f"The {name} must be a file."]})
            yield pb.CreateBatchRequest(file=pb.CreateBatchRequest.File(filename=event.filename))
        elif isinstance(event, bytes):
            yield pb.CreateBatchRequest(chunk=event)
        else:
            request.state.options = event.texts
            options = pb.CreateBatchRequest.Options(
                api_request=api_request, near_misses=event.near_misses, **event.texts
            )
            yield pb.CreateBatchRequest(options=options)


def warn_of_images(request: Request, images: Iterable[pb.Image], *, in_batch: bool = False) -> None:
    """Add the warnings of new images, such as that pages are left out."""
    for position, image in enumerate(images):
        for each in image.warnings:
            is_of_file = in_batch and each.field == "image"
            warnings_of(request).add(f"images.{position}" if is_of_file else each.field, each.message)


def warn_of_unused_options(request: Request, images: Iterable[pb.Image]) -> None:
    """Add warnings for options that have no effect on the format of any of these results."""
    names_of_formats = {pb.Format.Name(image.result_format).removeprefix("FORMAT_") for image in images}
    formats: set[Format] = {name for name in WRITABLE if name in names_of_formats}
    if not formats:
        return  # the images service is of the previous release
    options, names = request.state.options, ", ".join(sorted(formats))
    if options.get("quality") and not any(WRITABLE[each].has_quality for each in formats):
        warnings_of(request).add("quality", f"The {{name}} field has no effect on a result in {names}.")
    if options.get("dpi") and formats == {"GIF"}:
        warnings_of(request).add("dpi", f"The {{name}} field has no effect on a result in {names}.")
