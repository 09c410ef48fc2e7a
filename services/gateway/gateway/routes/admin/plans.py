"""The plans that operators can put users on."""

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.backend import BackendDep
from gateway.http.envelope import Page
from gateway.identity.route_access import OperatorSession
from gateway.routes.admin.lists import page_of
from gateway.routes.paging import Paging
from loupe.billing.v1 import billing_pb2 as pb

router = APIRouter(prefix="/plans")


class ManagedPlan(BaseModel):
    id: int
    slug: str
    name: str
    price: int | None
    requests_per_hour: int
    images_per_month: int | None
    """Null if there is no monthly quota."""
    max_scale: int
    features: list[str]


@router.get("")
async def list_plans(caller: OperatorSession, paging: Paging, backend: BackendDep) -> Page[ManagedPlan]:
    """List the plans, the free one first."""
    found = (await backend.as_gateway.billing.ListPlans(pb.ListPlansRequest())).plans
    return page_of(paging, "Plans retrieved successfully", [to_plan(plan) for plan in found])


def to_plan(plan: pb.Plan) -> ManagedPlan:
    return ManagedPlan(
        id=plan.id,
        slug=plan.slug,
        name=plan.name,
        price=plan.price if plan.HasField("price") else None,
        requests_per_hour=plan.requests_per_hour,
        images_per_month=plan.images_per_month if plan.HasField("images_per_month") else None,
        max_scale=plan.max_scale,
        features=list(plan.features),
    )
