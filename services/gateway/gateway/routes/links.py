"""Uploads as JSON, whose file comes from a link or is stored: how they become messages to the images service.

Outbound fetches the file, and it goes into the same call as an uploaded one. Images hears of the link first.
So wrong options, and repeats of an earlier request, are answered whatever becomes of the fetch.
"""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from fastapi import Request
from multipart import parse_options_header

from common import errors
from gateway.backend import backend_of
from gateway.http import bodies
from gateway.http.field_warnings import near_misses_of, warnings_of
from gateway.identity.callers import Caller
from gateway.routes import submissions
from gateway.routes.upload_addresses import check_address
from gateway.routes.uploads import ANSWER_SECONDS, IMAGE_FIELDS, OPTIONS, UPLOAD_ID
from loupe.images.v1 import images_pb2 as pb
from loupe.outbound.v1 import outbound_pb2

Json = dict[str, Any]
FIELD = "image_url"
LONGEST_URL = 2048
FETCH_SECONDS = 150.0
"""More than the longest time that outbound may give a fetch. Outbound ends it earlier, and says why."""
INCOMPLETE = "incomplete_upload"
FIELDS: Json = {
    FIELD: {"type": "string", "format": "uri", "maxLength": LONGEST_URL},
    UPLOAD_ID: IMAGE_FIELDS[UPLOAD_ID],
} | OPTIONS
"""The fields of the JSON body, as in the API's description."""


@dataclass(slots=True)
class Link:
    """A link, or the id of a direct upload, and the options as the client sent them, not checked yet."""

    url: str
    upload_id: str
    options: pb.UpscaleRequest.Options
    failure: errors.ServiceError | None = field(default=None, init=False)
    """Why its file could not be fetched."""


def is_link(request: Request) -> bool:
    """Return whether the body is JSON, and not a form with a file."""
    return parse_options_header(request.headers.get("content-type", ""))[0] == "application/json"


async def send_link(request: Request, caller: Caller) -> pb.UpscaleResponse:
    """Send the file behind a link to images, and return its answer, whose headers are added to ours.

    Raise `InvalidArgument` if the file can't be fetched, and `Unavailable` if too many uploads are under way.
    """
    metadata = submissions.metadata_of(request, caller)
    link = await _read(request)
    await check_address(caller, link.options)
    async with backend_of(request).upload_gate.admit(caller.user.id):
        try:
            response = await caller.images.Upscale(
                _messages(caller, link), timeout=FETCH_SECONDS + ANSWER_SECONDS, metadata=metadata
            )
        except errors.InvalidArgument as error:
            if link.failure and error.reason == INCOMPLETE:
                raise link.failure from error
            raise
    submissions.describe_answer(request, caller, response)
    return response


async def _messages(caller: Caller, link: Link) -> AsyncGenerator[pb.UpscaleRequest]:
    """Yield the messages of one `Upscale` call. If the fetch fails, the options at the end are left out."""
    api_request = not caller.is_console_session
    if link.upload_id:
        yield pb.UpscaleRequest(
            start=pb.UpscaleRequest.Start(upload_id=link.upload_id, api_request=api_request)
        )
        yield pb.UpscaleRequest(options=link.options)
        return
    announced = pb.UpscaleRequest.Link(url=link.url, options=link.options)
    yield pb.UpscaleRequest(start=pb.UpscaleRequest.Start(link=announced, api_request=api_request))
    request = outbound_pb2.FetchRequest(url=link.url, field=FIELD)
    call = caller.outbound.Fetch(request, timeout=FETCH_SECONDS)
    try:
        async with aclosing(cast("AsyncGenerator[outbound_pb2.FetchResponse]", call)) as parts:
            async for part in parts:
                if part.HasField("head"):
                    start = pb.UpscaleRequest.Start(filename=part.head.filename, api_request=api_request)
                    yield pb.UpscaleRequest(start=start)
                else:
                    yield pb.UpscaleRequest(chunk=part.chunk)
    except errors.InvalidArgument as error:
        link.failure = errors.invalid(error.fields)  # the guard's reason is no code of the API
    except errors.ServiceError as error:
        link.failure = error
    else:
        yield pb.UpscaleRequest(options=link.options)


async def _read(request: Request) -> Link:
    """Read the body. Raise `InvalidArgument` with every field at fault."""
    sent = await bodies.read(request)
    warnings_of(request).add_fields(sent, FIELDS)
    texts, problems = to_texts(dict(sent), tuple(FIELDS))
    near_misses = near_misses_of(dict(sent), tuple(FIELDS))
    url, upload_id = texts.pop(FIELD, ""), texts.pop(UPLOAD_ID, "")
    if url and upload_id:
        problems[FIELD] = ["The image url may not be sent together with an upload id."]
    elif not (url or upload_id or FIELD in problems or UPLOAD_ID in problems):
        if "image" in dict(sent):
            problems["image"] = ["The image field is required."]  # a file can only come in a form
        else:
            problems[FIELD] = ["The image url field is required."]
        problems |= {
            name: [f"The {name} field is unknown: did you mean `{option}`?"]
            for name, option in near_misses.items()
            if option not in OPTIONS
        }
    if problems:
        raise errors.invalid(problems)
    request.state.options = texts
    of_options = {name: option for name, option in near_misses.items() if option in OPTIONS}
    return Link(url, upload_id, pb.UpscaleRequest.Options(near_misses=of_options, **texts))


def to_texts(
    sent: Mapping[str, object], names: Collection[str]
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the fields with these names as the texts that a form would have, and what is wrong."""
    texts: dict[str, str] = {}
    problems: dict[str, list[str]] = {}
    for name, value in sent.items():
        if name not in names or value is None:
            continue
        text = _to_text(value)
        if text is None or (name not in OPTIONS and not isinstance(value, str)):
            problems[name] = [_type_text(name)]
        elif text:
            texts[name] = text
    return texts, problems


def _to_text(value: object) -> str | None:
    """Return the text that a form would have for a value of JSON; None if it would have none."""
    match value:
        case str():
            return value
        case bool():
            return None
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return str(value)
        case _:
            return None


def _type_text(name: str) -> str:
    kinds = "a string" if OPTIONS.get(name, {}).get("type") != "integer" else "a number"
    return f"The {name.replace('_', ' ')} must be {kinds}."
