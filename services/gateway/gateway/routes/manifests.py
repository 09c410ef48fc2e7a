"""Batches as JSON: each item names a link or a direct upload, and images fetches the files later.

Outbound checks the links before images gets them. Images reports what is wrong with them together with all
other problems.
"""

from typing import Any, cast

from fastapi import Request

from common import errors
from gateway.http import bodies
from gateway.http.field_warnings import near_misses_of, warnings_of
from gateway.identity.callers import Caller
from gateway.openapi.operation import Body
from gateway.openapi.schema_parts import REFERENCE
from gateway.routes import links, submissions
from gateway.routes.upload_addresses import check_address
from gateway.routes.uploads import OPTIONS, UPLOAD_ID
from loupe.contract import LONGEST_REFERENCE, MOST_MANIFEST_ITEMS
from loupe.images.v1 import images_pb2 as pb
from loupe.outbound.v1 import outbound_pb2
from rest.choices import a_choice

Json = dict[str, Any]
Problems = dict[str, list[str]]
LARGEST_BODY_BYTES = 4 << 20
MOST_UNKNOWN_NAMES = 1000
"""Different names of unknown fields in all items. Each is compared with all options, which takes time."""
SECONDS = 60.0
"""Deadline for images to store a thousand rows."""
CHECK_SECONDS = 15.0
ON_ERROR = ("reject", "skip")
ITEM_OPTIONS = {name: schema for name, schema in OPTIONS.items() if name != "webhook_url"}
"""The options that an item may have for itself. The end of the batch goes to one address."""
ITEM: Json = {
    links.FIELD: links.FIELDS[links.FIELD],
    UPLOAD_ID: links.FIELDS[UPLOAD_ID],
    "reference": {"type": "string", "maxLength": LONGEST_REFERENCE},
} | ITEM_OPTIONS
FIELDS: Json = {
    "items": {
        "type": "array",
        "minItems": 1,
        "maxItems": MOST_MANIFEST_ITEMS,
        "items": {"$ref": f"{REFERENCE}ManifestItem"},
    },
    "name": {"type": "string", "maxLength": 255},
    "on_error": a_choice(
        "OnError",
        "The effect of a refused item: `reject` refuses the whole batch, `skip` makes it a failed image.",
        ON_ERROR,
    )
    | {"default": ON_ERROR[0]},
} | OPTIONS
BODY = Body(
    "BatchManifest",
    "application/json",
    {"type": "object", "required": ["items"], "properties": FIELDS},
    {
        "scale_factor": 2,
        "items": [{"image_url": "https://example.com/cats/tom.jpg", "reference": "cats/tom.jpg"}],
    },
    {"ManifestItem": {"type": "object", "properties": ITEM}},
)


async def send_manifest(request: Request, caller: Caller) -> pb.CreateManifestResponse:
    """Send the manifest to images, and return its answer, whose headers are added to ours.

    Raise `InvalidArgument` with the fields at fault, and `Unavailable` if outbound does not answer.
    """
    metadata = submissions.metadata_of(request, caller)
    manifest = await _read(request)
    manifest.api_request = not caller.is_console_session
    manifest.max_scale = caller.entitlement.plan.max_scale
    await check_address(caller, manifest.options)
    await _check_links(caller, manifest)
    response = await caller.images.CreateManifest(manifest, timeout=SECONDS, metadata=metadata)
    submissions.describe_usage(request, caller, response)
    return response


async def _check_links(caller: Caller, manifest: pb.CreateManifestRequest) -> None:
    """Add to the items what outbound says about their links."""
    linked = [item for item in manifest.items if item.image_url]
    if not linked:
        return
    check = outbound_pb2.CheckLinksRequest(urls=[item.image_url for item in linked], field=links.FIELD)
    problems = (await caller.outbound.CheckLinks(check, timeout=CHECK_SECONDS)).problems
    for item, problem in zip(linked, problems, strict=True):
        if problem:
            item.problems[links.FIELD] = problem


async def _read(request: Request) -> pb.CreateManifestRequest:
    """Read the body. Raise `InvalidArgument` with the fields that no manifest can have."""
    sent = await bodies.read(request, largest=LARGEST_BODY_BYTES)
    warnings_of(request).add_fields(sent, FIELDS)
    values = dict(sent)
    items, on_error = values.pop("items", None), values.pop("on_error", None)
    texts, problems = links.to_texts(values, ("name", *OPTIONS))
    if not isinstance(items, list):
        text = "The items field is required." if items is None else "The items must be a list."
        problems["items"] = [text]
    elif not 1 <= len(cast("list[object]", items)) <= MOST_MANIFEST_ITEMS:
        problems["items"] = [f"The items must have between 1 and {MOST_MANIFEST_ITEMS} entries."]
    elif _count_unknown(cast("list[object]", items)) > MOST_UNKNOWN_NAMES:
        problems["items"] = [f"The items must have at most {MOST_UNKNOWN_NAMES} different unknown fields."]
    if on_error not in (None, *ON_ERROR):
        problems["on_error"] = [errors.choice_text("on_error", ON_ERROR)]
    if problems:
        raise errors.invalid(problems)
    request.state.options = texts
    options = {name: texts[name] for name in texts if name in OPTIONS}
    near_misses = near_misses_of(values, tuple(FIELDS))
    of_options = {name: option for name, option in near_misses.items() if option in OPTIONS}
    return pb.CreateManifestRequest(
        name=texts.get("name", ""),
        options=pb.UpscaleRequest.Options(near_misses=of_options, **options),
        skips_refused_items=on_error == "skip",
        items=[_to_item(request, *each) for each in enumerate(cast("list[object]", items))],
    )


def _count_unknown(items: list[object]) -> int:
    """Return the number of different names in the items that are no field of an item."""
    return len({name for item in items if isinstance(item, dict) for name in item} - ITEM.keys())


def _to_item(request: Request, position: int, sent: object) -> pb.CreateManifestRequest.Item:
    """Return the item, with what is wrong with the types of its fields."""
    if not isinstance(sent, dict):
        return pb.CreateManifestRequest.Item(problems={"": "The item must be an object."})
    values = cast("dict[str, object]", sent)
    for name in values:
        if name not in ITEM:
            warnings_of(request).add_unknown(name, tuple(ITEM), f"items.{position}.")
    texts, problems = links.to_texts(values, tuple(ITEM))
    options = {name: texts[name] for name in texts if name in ITEM_OPTIONS}
    near_misses = near_misses_of(values, tuple(ITEM_OPTIONS))
    own = pb.UpscaleRequest.Options(near_misses=near_misses, **options) if options or near_misses else None
    return pb.CreateManifestRequest.Item(
        image_url=texts.get(links.FIELD, ""),
        upload_id=texts.get(UPLOAD_ID, ""),
        reference=texts.get("reference", ""),
        options=own,
        problems={name: wrong[0] for name, wrong in problems.items()},
    )
