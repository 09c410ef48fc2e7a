"""Says what an upload would become, before anything is sent or spent."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from common import errors
from gateway.backend import BackendDep
from gateway.http import bodies
from gateway.http.envelope import Envelope
from gateway.identity.callers import Caller
from gateway.identity.route_access import UPLOADS, PlanReader
from gateway.openapi import examples
from gateway.openapi.operation import Body, Operation
from gateway.routes.upload_addresses import check_address
from gateway.routes.uploads import IMAGE_FIELDS, OPTIONS, UPLOAD_ID, Json
from imagefile.formats import READABLE, media_type
from loupe import refusals
from loupe.contract import LARGEST_UPLOAD_BYTES
from loupe.images.v1 import images_pb2 as pb
from rest.choices import a_choice

router = APIRouter(prefix="/api", tags=["images"])
PRIORITY = "priority_queue"
"""The feature of plans whose images go into the priority queue."""
FORMAT = a_choice(
    "OriginalFormat",
    "A format that originals can have.",
    [media_type(name).removeprefix("image/") for name in READABLE],
)
SIDE: Json = {"type": "integer", "minimum": 1}
PICTURE: Json = {
    "width": SIDE,
    "height": SIDE,
    "format": FORMAT | {"default": "jpeg"},
    "size": {"type": "integer", "minimum": 1, "maximum": LARGEST_UPLOAD_BYTES},
    "transparent": {"type": "boolean", "default": False},
}


class EstimateRequest(BaseModel):
    upload_id: bodies.Text | None = None
    width: bodies.Text | None = None
    height: bodies.Text | None = None
    format: bodies.Text | None = None
    size: bodies.Text | None = None
    transparent: bodies.Text | None = None
    scale_factor: bodies.Text | None = None
    target_width: bodies.Text | None = None
    target_height: bodies.Text | None = None
    fit: bodies.Text | None = None
    output_format: bodies.Text | None = None
    quality: bodies.Text | None = None
    metadata: bodies.Text | None = None
    model: bodies.Text | None = None
    precision: bodies.Text | None = None
    denoise: bodies.Text | None = None
    strength: bodies.Text | None = None
    dpi: bodies.Text | None = None
    expires_in: bodies.Text | None = None
    webhook_url: bodies.Text | None = None


class EstimatedRefusal(BaseModel):
    code: str
    message: str
    errors: dict[str, list[str]] | None


class EstimatedResult(BaseModel):
    width: int
    height: int
    format: str


class EstimatedQuota(BaseModel):
    used: int
    limit: int | None
    remaining_after: int | None


class EstimatedSeconds(BaseModel):
    low: int
    likely: int
    high: int


class Estimate(BaseModel):
    accepted: bool
    refusals: list[EstimatedRefusal]
    result: EstimatedResult | None
    model: str | None
    quota: EstimatedQuota
    seconds: EstimatedSeconds | None


ESTIMATE = Operation(
    id="estimateImage",
    summary="Say what an upload would become",
    message="Estimate made successfully",
    description=(
        "Runs the checks of an upload for a described picture. Says whether it would be accepted, what its "
        "result is, what is left of the quota, and how long it takes. Nothing is stored or counted. "
        "The picture is described by `width` and `height`, or is the file of a direct upload."
    ),
    example_data=examples.ESTIMATE,
    body=Body(
        "EstimateRequest",
        "application/json",
        {
            "type": "object",
            "properties": PICTURE | {UPLOAD_ID: IMAGE_FIELDS[UPLOAD_ID]} | OPTIONS,
        },
        {"width": 1920, "height": 1080, "scale_factor": 2},
    ),
    refusals=(refusals.VALIDATION_FAILED,),
)


@router.post("/estimate")
@ESTIMATE.describes
async def estimate(request: Request, caller: PlanReader, backend: BackendDep) -> Envelope[Estimate]:
    values, near_misses = await bodies.parse_options(request, EstimateRequest, OPTIONS)
    if values.get(UPLOAD_ID) and (described := PICTURE.keys() & values):
        text = "The {} may not be sent together with an upload id."
        raise errors.invalid({name: [text.format(name)] for name in sorted(described)})
    caller = await backend.callers.refresh(caller)
    given = {name: values[name] for name in OPTIONS if name in values}
    options = pb.UpscaleRequest.Options(near_misses=near_misses, **given)
    await check_address(caller, options)
    plan = caller.entitlement.plan
    response = await caller.images.Estimate(
        pb.EstimateRequest(
            **{name: values[name] for name in PICTURE if name in values},
            options=options,
            upload_id=values.get(UPLOAD_ID, ""),
            max_scale=plan.max_scale,
            is_priority=PRIORITY in plan.features,
        )
    )
    refused = await UPLOADS.refusal_of(request, caller)
    return ESTIMATE.answer(_to_estimate(response, caller, refused))


def _to_estimate(
    response: pb.EstimateResponse, caller: Caller, refused: errors.ServiceError | None
) -> Estimate:
    found = [EstimatedRefusal(code=refused.reason, message=refused.message, errors=None)] if refused else []
    found += [
        EstimatedRefusal(
            code=each.code,
            message=each.message,
            errors={field.name: list(field.texts) for field in each.fields} or None,
        )
        for each in response.refusals
    ]
    return Estimate(
        accepted=not found,
        refusals=found,
        result=_to_result(response),
        model=response.model or None,
        quota=_to_quota(caller, is_accepted=not found),
        seconds=_to_seconds(response),
    )


def _to_result(response: pb.EstimateResponse) -> EstimatedResult | None:
    if not response.HasField("result_size"):
        return None
    size, name = response.result_size, pb.Format.Name(response.result_format)
    return EstimatedResult(width=size.width, height=size.height, format=name.removeprefix("FORMAT_").lower())


def _to_quota(caller: Caller, *, is_accepted: bool) -> EstimatedQuota:
    usage = caller.entitlement.usage
    limit = usage.limit if usage.HasField("limit") else None
    remaining = None if limit is None else max(0, limit - usage.used - is_accepted)
    return EstimatedQuota(used=usage.used, limit=limit, remaining_after=remaining)


def _to_seconds(response: pb.EstimateResponse) -> EstimatedSeconds | None:
    if not response.HasField("seconds"):
        return None
    seconds = response.seconds
    return EstimatedSeconds(low=seconds.low, likely=seconds.likely, high=seconds.high)
