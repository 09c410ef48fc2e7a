"""Routes for what the caller's plan includes, and how much of it is used."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from gateway.backend import BackendDep
from gateway.http.envelope import Envelope
from gateway.identity.route_access import PlanReader
from gateway.openapi import examples
from gateway.openapi.operation import Operation
from loupe.billing.v1 import billing_pb2
from rest.choices import a_choice
from rest.values import format_time

router = APIRouter(prefix="/api", tags=["account"])
STATUSES = ("active", "trialing", "canceled", "past_due")
STATUS = a_choice("SubscriptionStatus", "The state of a subscription.", STATUSES)
SubscriptionStatus = Annotated[str, Field(json_schema_extra=STATUS)]


class ImageUploads(BaseModel):
    used: int
    limit: int | None
    remaining: int | None
    unlimited: bool
    exceeded: bool
    percentage: float
    period_start: str
    resets_at: str


class Usage(BaseModel):
    plan: str
    image_uploads: ImageUploads
    features: list[str]


class Subscription(BaseModel):
    id: int
    type: str
    status: SubscriptionStatus
    quantity: int
    trial_ends_at: str | None
    ends_at: str | None
    created_at: str
    is_active: bool
    is_on_trial: bool
    is_cancelled: bool
    is_on_grace_period: bool


class Limit(BaseModel):
    key: str
    value: int | None
    unit: str


class Plan(BaseModel):
    name: str
    slug: str
    price: int | None
    features: list[str]
    limits: list[Limit]


class SubscriptionAndPlan(BaseModel):
    subscription: Subscription | None
    plan: Plan


GET_USAGE = Operation(
    id="getUsage",
    summary="Get this month's usage",
    message="Usage statistics retrieved successfully",
    description="Counts by calendar month, in UTC.",
    example_data=examples.USAGE,
)


@router.get("/usage")
@GET_USAGE.describes
async def get_usage(caller: PlanReader, backend: BackendDep) -> Envelope[Usage]:
    entitlement = (await backend.callers.refresh(caller)).entitlement
    usage = Usage(
        plan=entitlement.plan.slug,
        image_uploads=to_image_uploads(entitlement.usage),
        features=list(entitlement.plan.features),
    )
    return GET_USAGE.answer(usage)


GET_SUBSCRIPTION = Operation(
    id="getSubscription",
    summary="Get your subscription and plan",
    message="Subscription details retrieved successfully",
    description="`subscription` is null if you never had one.",
    example_data=examples.SUBSCRIPTION,
)


@router.get("/subscription")
@GET_SUBSCRIPTION.describes
async def get_subscription(caller: PlanReader, backend: BackendDep) -> Envelope[SubscriptionAndPlan]:
    entitlement = (await backend.callers.refresh(caller)).entitlement
    details = SubscriptionAndPlan(subscription=to_subscription(entitlement), plan=to_plan(entitlement.plan))
    return GET_SUBSCRIPTION.answer(details)


def to_image_uploads(usage: billing_pb2.Usage) -> ImageUploads:
    limit = usage.limit if usage.HasField("limit") else None
    percentage = 0.0 if limit is None else round(100 * usage.used / limit, 2) if limit else 100.0
    return ImageUploads(
        used=usage.used,
        limit=limit,
        remaining=None if limit is None else max(0, limit - usage.used),
        unlimited=limit is None,
        exceeded=limit is not None and usage.used >= limit,
        percentage=percentage,
        period_start=format_time(usage.period_start),
        resets_at=format_time(usage.resets_at),
    )


def to_subscription(entitlement: billing_pb2.GetEntitlementResponse) -> Subscription | None:
    if not entitlement.HasField("subscription"):
        return None
    subscription = entitlement.subscription
    is_cancelled = subscription.HasField("ends_at")
    return Subscription(
        id=subscription.id,
        type=subscription.type,
        status=subscription.status,
        quantity=subscription.quantity,
        trial_ends_at=format_time(subscription.trial_ends_at)
        if subscription.HasField("trial_ends_at")
        else None,
        ends_at=format_time(subscription.ends_at) if is_cancelled else None,
        created_at=format_time(subscription.created_at),
        is_active=entitlement.is_active,
        is_on_trial=subscription.status == "trialing" and entitlement.is_active,
        is_cancelled=is_cancelled,
        is_on_grace_period=is_cancelled and entitlement.is_active,
    )


def to_plan(plan: billing_pb2.Plan) -> Plan:
    return Plan(
        name=plan.name,
        slug=plan.slug,
        price=plan.price if plan.HasField("price") else None,
        features=list(plan.features),
        limits=[
            Limit(key=limit.key, value=limit.value if limit.HasField("value") else None, unit=limit.unit)
            for limit in plan.limits
        ],
    )
