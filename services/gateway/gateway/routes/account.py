"""The caller's own account: profile, password, usage, subscription."""

from html import escape
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel

from gateway.backend import Backend
from gateway.http import bodies
from gateway.http.envelope import Envelope, Message, instant
from gateway.identity.access import Access
from gateway.identity.callers import Caller
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2

router = APIRouter(prefix="/api", tags=["account"])
pictures = APIRouter(include_in_schema=False)
Reader = Annotated[Caller, Depends(Access("user:read", verified=False))]
VerifiedReader = Annotated[Caller, Depends(Access("user:read"))]
Owner = Annotated[Caller, Depends(Access(everything=True, verified=False))]
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
    status: str
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


class Changes(BaseModel):
    name: str | None = None
    email: str | None = None


class PasswordChange(BaseModel):
    current_password: str = ""
    password: str = ""
    password_confirmation: str = ""


@router.get("/user")
async def get_user(request: Request, caller: Reader) -> Envelope[User]:
    user = to_user(request, caller.user, caller.entitlement.plan)
    return Envelope(message="User retrieved successfully", data=user)


@router.patch("/user", openapi_extra=bodies.described(Changes))
async def update_user(request: Request, caller: Owner) -> Envelope[User]:
    """What is not sent stays as it is. A new address has to be verified."""
    backend: Backend = request.app.state.backend
    values = bodies.checked(Changes, await bodies.read(request))
    response = await backend.auth.UpdateUser(auth_pb2.UpdateUserRequest(**values))
    backend.callers.forget(caller.user.id)
    user = to_user(request, response.user, caller.entitlement.plan)
    return Envelope(message="User updated successfully", data=user)


@router.delete("/user")
async def delete_user(request: Request, caller: Owner) -> Message:
    backend: Backend = request.app.state.backend
    await backend.auth.DeleteUser(auth_pb2.DeleteUserRequest())
    backend.callers.forget(caller.user.id)
    return Message(message="Account deleted successfully")


@router.put(
    "/user/password",
    openapi_extra=bodies.described(PasswordChange, "current_password", "password", "password_confirmation"),
)
async def change_password(request: Request, caller: Owner) -> Message:
    """All other tokens end."""
    backend: Backend = request.app.state.backend
    values = bodies.checked(PasswordChange, await bodies.read(request))
    await backend.auth.ChangePassword(auth_pb2.ChangePasswordRequest(**values))
    backend.callers.forget(caller.user.id)
    return Message(message="Password updated successfully")


@router.get("/usage")
async def get_usage(request: Request, caller: VerifiedReader) -> Envelope[Usage]:
    backend: Backend = request.app.state.backend
    entitlement = (await backend.callers.refreshed(caller)).entitlement
    usage = Usage(
        plan=entitlement.plan.slug,
        image_uploads=to_image_uploads(entitlement.usage),
        features=list(entitlement.plan.features),
    )
    return Envelope(message="Usage statistics retrieved successfully", data=usage)


@router.get("/subscription")
async def get_subscription(request: Request, caller: VerifiedReader) -> Envelope[SubscriptionAndPlan]:
    backend: Backend = request.app.state.backend
    entitlement = (await backend.callers.refreshed(caller)).entitlement
    details = SubscriptionAndPlan(subscription=to_subscription(entitlement), plan=to_plan(entitlement.plan))
    return Envelope(message="Subscription details retrieved successfully", data=details)


@pictures.get("/photos/{initials}.svg")
async def profile_photo(initials: Annotated[str, Path(max_length=8)], shade: int = 0) -> Response:
    """A picture of the initials, made here: no third party learns the name."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">'
        f'<rect width="64" height="64" fill="{COLOURS[shade % len(COLOURS)]}"/>'
        '<text x="32" y="41" font-family="sans-serif" font-size="26" text-anchor="middle" fill="#fff">'
        f"{escape(initials)}</text></svg>"
    )
    headers = {"Cache-Control": "public, max-age=86400", "Content-Security-Policy": "default-src 'none'"}
    return Response(svg, media_type="image/svg+xml", headers=headers)


def base_url(request: Request) -> str:
    """Where this API is, as clients reach it."""
    backend: Backend = request.app.state.backend
    return backend.settings.public_url or str(request.base_url).rstrip("/")


def to_user(request: Request, user: auth_pb2.User, plan: billing_pb2.Plan) -> User:
    letters = [word[0] for word in user.name.split() if word[0].isalnum()]
    initials = quote("".join(letters[:2]).upper() or "?", safe="")
    return User(
        id=user.id,
        name=user.name,
        email=user.email,
        email_verified_at=instant(user.email_verified_at) if user.HasField("email_verified_at") else None,
        profile_photo_url=f"{base_url(request)}/photos/{initials}.svg?shade={user.id % len(COLOURS)}",
        created_at=instant(user.created_at),
        updated_at=instant(user.updated_at),
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
        period_start=instant(usage.period_start),
        resets_at=instant(usage.resets_at),
    )


def to_subscription(entitlement: billing_pb2.GetEntitlementResponse) -> Subscription | None:
    if not entitlement.HasField("subscription"):
        return None
    ours = entitlement.subscription
    is_cancelled = ours.HasField("ends_at")
    return Subscription(
        id=ours.id,
        type=ours.type,
        status=ours.status,
        quantity=ours.quantity,
        trial_ends_at=instant(ours.trial_ends_at) if ours.HasField("trial_ends_at") else None,
        ends_at=instant(ours.ends_at) if is_cancelled else None,
        created_at=instant(ours.created_at),
        is_active=entitlement.is_active,
        is_on_trial=ours.status == "trialing" and entitlement.is_active,
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
