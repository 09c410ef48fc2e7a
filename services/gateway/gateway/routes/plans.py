"""What this installation offers, for everybody."""

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from gateway.backend import Backend
from gateway.http.envelope import Envelope
from gateway.identity.access import anyone
from gateway.routes.account import Limit, to_plan
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


@router.get("", dependencies=[Depends(anyone)])
async def list_plans(request: Request) -> Envelope[list[OfferedPlan]]:
    backend: Backend = request.app.state.backend
    response = await backend.plans.ListPlans(pb.ListPlansRequest())
    plans = [to_offered_plan(plan) for plan in response.plans]
    return Envelope(message="Plans retrieved successfully", data=plans)


def to_offered_plan(plan: pb.Plan) -> OfferedPlan:
    return OfferedPlan(id=plan.id, max_scale=plan.max_scale, **dict(to_plan(plan)))
