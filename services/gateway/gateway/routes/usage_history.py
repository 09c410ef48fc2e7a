"""The caller's images by day or by month, as JSON or CSV."""

import csv
import io
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from common import errors
from gateway.http.envelope import Envelope
from gateway.identity.route_access import PlanReader
from gateway.openapi import examples
from gateway.openapi.operation import Operation
from loupe import refusals
from loupe.billing.v1 import billing_pb2 as pb
from rest.choices import a_choice

router = APIRouter(prefix="/api/usage", tags=["account"])
STEPS = ("day", "month")
FORMATS = ("json", "csv")
STEP = a_choice("UsageStep", "The time that each entry sums up.", STEPS)
StepFilter = Annotated[Annotated[str, Field(json_schema_extra=STEP)] | None, Query(alias="by")]
FormatFilter = Annotated[str | None, Query(alias="format", include_in_schema=False)]
"""The description leaves it out, because generators of clients fail on an answer that has two types."""
FirstDay = Annotated[str | None, Query(alias="from")]
LastDay = Annotated[str | None, Query(alias="to")]


class UsageEntry(BaseModel):
    start: str
    accepted: int
    completed: int
    returned: int
    used: int


class UsageHistory(BaseModel):
    by: Annotated[str, Field(json_schema_extra=STEP)]
    entries: list[UsageEntry]


GET_USAGE_HISTORY = Operation(
    id="getUsageHistory",
    summary="Get your usage by day or by month",
    message="Usage history retrieved successfully",
    description=(
        "The last 30 days, or the last 12 months with `by=month`; `from` and `to` choose another range. "
        "Days and months are in UTC. By day, an image counts on the day on which it was accepted, completed "
        "or returned; by month, in the month whose quota it used. With `format=csv` the answer is a file."
    ),
    example_data=examples.USAGE_HISTORY,
    refusals=(refusals.VALIDATION_FAILED,),
)


@router.get("/history", response_model=Envelope[UsageHistory])
@GET_USAGE_HISTORY.describes
async def get_usage_history(
    caller: PlanReader,
    step: StepFilter = None,
    format_name: FormatFilter = None,
    first: FirstDay = None,
    last: LastDay = None,
) -> Envelope[UsageHistory] | Response:
    by, as_format = _choice("by", step, STEPS), _choice("format", format_name, FORMATS)
    request = pb.GetUsageHistoryRequest(by_month=by == "month", first=first or "", last=last or "")
    sums = (await caller.billing.GetUsageHistory(request)).sums
    if as_format == "csv":
        return _csv(sums, f"usage-by-{by}.csv")
    return GET_USAGE_HISTORY.answer(UsageHistory(by=by, entries=[_entry(each) for each in sums]))


def _choice(field: str, sent: str | None, choices: Sequence[str]) -> str:
    """Return the choice in the query, or else the first one."""
    if sent and sent not in choices:
        raise errors.invalid({field: [errors.choice_text(field, choices)]})
    return sent or choices[0]


def _entry(sums: pb.UsageSums) -> UsageEntry:
    return UsageEntry(
        start=sums.start,
        accepted=sums.accepted,
        completed=sums.completed,
        returned=sums.returned,
        used=sums.used,
    )


def _csv(sums: Sequence[pb.UsageSums], filename: str) -> Response:
    table = io.StringIO()
    writer = csv.DictWriter(table, UsageEntry.model_fields)
    writer.writeheader()
    writer.writerows(_entry(each).model_dump() for each in sums)
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return Response(table.getvalue(), media_type="text/csv", headers=headers)
