"""The caller's own account: profile, password, usage, subscription."""

from html import escape
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from gateway.backend import BackendDep, base_url
from gateway.http import bodies
from gateway.http.envelope import Envelope, Message, format_time
from gateway.identity.route_access import AccountOwner, AccountReader, PlanReader
from gateway.openapi import examples
from gateway.openapi.operation import Operation, json_body
from gateway.openapi.schema_parts import a_choice
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2

router = APIRouter(prefix="/api", tags=["account"])
photos = APIRouter(include_in_schema=False)
STATUSES = ("active", "trialing", "canceled", "past_due")
STATUS = a_choice("SubscriptionStatus", "The state of a subscription.", STATUSES)
SubscriptionStatus = Annotated[str, Field(json_schema_extra=STATUS)]
COLOURS = ("#2f5d8a", "#7a4e8c", "#2e7d63", "#9a5b2d", "#8a3b4f", "#4b5f2a")


class PricingPlan(BaseModel):
    id: int
    name: str
    slug: str


class User(BaseModel):
    id: int
    name: str
    email: str
    email_verified_at: str | None
    profile_photo_url: str
    created_at: str
    updated_at: str
    pricing_plan: PricingPlan


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


class UserChanges(BaseModel):
    name: str | None = None
    email: str | None = None


class PasswordChange(BaseModel):
    current_password: str = ""
    password: str = ""
    password_confirmation: str = ""


GET_USER = Operation(
    id="getUser",
    summary="Get your profile",
    message="User retrieved successfully",
    description="Includes the plan that you are on.",
    example_data=examples.PAID_JANE,
)


@router.get("/user")
@GET_USER.describes
async def get_user(request: Request, caller: AccountReader) -> Envelope[User]:
    return GET_USER.answer(to_user(request, caller.user, caller.entitlement.plan))


UPDATE_USER = Operation(
    id="updateUser",
    summary="Change your name or address",
    message="User updated successfully",
    description="A field that is not sent stays as it is. A new address has to be verified.",
    example_data=examples.PAID_JANE,
    body=json_body(UserChanges, example={"name": "Jane Smith"}),
)


@router.patch("/user")
@UPDATE_USER.describes
async def update_user(request: Request, caller: AccountOwner, backend: BackendDep) -> Envelope[User]:
    values = await bodies.parse(request, UserChanges)
    response = await caller.auth.UpdateUser(auth_pb2.UpdateUserRequest(**values))
    backend.callers.forget(caller.user.id)
    return UPDATE_USER.answer(to_user(request, response.user, caller.entitlement.plan))


DELETE_USER = Operation(
    id="deleteUser",
    summary="Delete your account",
    message="Account deleted successfully",
    description="The account, all images and all files are gone for good.",
)


@router.delete("/user")
@DELETE_USER.describes
async def delete_user(caller: AccountOwner, backend: BackendDep) -> Message:
    await caller.auth.DeleteUser(auth_pb2.DeleteUserRequest())
    backend.callers.forget(caller.user.id)
    return DELETE_USER.done()


CHANGE_PASSWORD = Operation(
    id="changePassword",
    summary="Change your password",
    message="Password updated successfully",
    description="All other tokens are revoked.",
    body=json_body(
        PasswordChange,
        "current_password",
        "password",
        "password_confirmation",
        example={"current_password": "A-good-one-0"} | examples.NEW_PASSWORD,
    ),
)


@router.put("/user/password")
@CHANGE_PASSWORD.describes
async def change_password(request: Request, caller: AccountOwner, backend: BackendDep) -> Message:
    values = await bodies.parse(request, PasswordChange)
    await caller.auth.ChangePassword(auth_pb2.ChangePasswordRequest(**values))
    backend.callers.forget(caller.user.id)
    return CHANGE_PASSWORD.done()


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


@photos.get("/photos/{initials}.svg")
async def profile_photo(initials: Annotated[str, Path(max_length=8)], shade: int = 0) -> Response:
    """Return a picture of the initials. It is drawn here, so that no third party learns the name."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">'
        f'<rect width="64" height="64" fill="{COLOURS[shade % len(COLOURS)]}"/>'
        '<text x="32" y="41" font-family="sans-serif" font-size="26" text-anchor="middle" fill="#fff">'
        f"{escape(initials)}</text></svg>"
    )
    headers = {"Cache-Control": "public, max-age=86400", "Content-Security-Policy": "default-src 'none'"}
    return Response(svg, media_type="image/svg+xml", headers=headers)


def to_user(request: Request, user: auth_pb2.User, plan: billing_pb2.Plan) -> User:
    letters = [word[0] for word in user.name.split() if word[0].isalnum()]
    initials = quote("".join(letters[:2]).upper() or "?", safe="")
    return User(
        id=user.id,
        name=user.name,
        email=user.email,
        email_verified_at=format_time(user.email_verified_at) if user.HasField("email_verified_at") else None,
        profile_photo_url=f"{base_url(request)}/photos/{initials}.svg?shade={user.id % len(COLOURS)}",
        created_at=format_time(user.created_at),
        updated_at=format_time(user.updated_at),
        pricing_plan=PricingPlan(id=plan.id, name=plan.name, slug=plan.slug),
    )


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
