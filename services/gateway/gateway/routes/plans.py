"""The plans of this installation. Everybody may list them."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from gateway.backend import BackendDep
from gateway.http.envelope import Envelope
from gateway.identity.access import limit_by_caller_or_address
from gateway.openapi import examples
from gateway.openapi.operation import Operation
from gateway.routes.usage import Limit, to_plan
from loupe.billing.v1 import billing_pb2 as pb

router = APIRouter(prefix="/api/plans", tags=["plans"])


class OfferedPlan(BaseModel):
    id: int
    name: str
    slug: str
    price: int | None
    features: list[str]
    limits: list[Limit]
    max_scale: int


LIST_PLANS = Operation(
    id="listPlans",
    summary="List the plans",
    message="Plans retrieved successfully",
    description=(
        "The plans of this installation. A token can upload only on a plan with `api_access`. The free plan, "
        "which every new account has, comes without it: its images are for the web console. "
        "The operator changes a user's plan: `loupe-admin plan set EMAIL PLAN`."
    ),
    example_data=[examples.PLAN],
)


@router.get("", dependencies=[Depends(limit_by_caller_or_address)])
@LIST_PLANS.describes
async def list_plans(backend: BackendDep) -> Envelope[list[OfferedPlan]]:
    response = await backend.as_gateway.billing.ListPlans(pb.ListPlansRequest())
    return LIST_PLANS.answer([to_offered_plan(plan) for plan in response.plans])


def to_offered_plan(plan: pb.Plan) -> OfferedPlan:
    return OfferedPlan(id=plan.id, max_scale=plan.max_scale, **dict(to_plan(plan)))
