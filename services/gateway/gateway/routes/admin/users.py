"""Users, as operators see and change them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, BeforeValidator, Field

from common import errors
from gateway.backend import BackendDep
from gateway.http import bodies
from gateway.http.envelope import Envelope, Page, parse_id
from gateway.identity.callers import Caller
from gateway.identity.route_access import OperatorSession
from gateway.routes.account import Proof
from gateway.routes.admin.values import instant_of, takes
from gateway.routes.paging import Paging
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2
from rest.values import format_time

router = APIRouter(prefix="/users")
UserId = Annotated[int, BeforeValidator(parse_id)]
STATES = ("unverified", "blocked", "operator")


class ManagedUser(BaseModel):
    id: int
    name: str
    email: str
    email_verified_at: str | None
    pending_email: str | None
    second_factor: bool
    is_operator: bool
    blocked_at: str | None
    created_at: str
    plan: str
    used: int
    reserved: int
    limit: int | None
    """Null if there is no monthly quota."""
    has_custom_quota: bool
    subscription_status: str | None
    """`active`, `trialing`, `past_due` or `canceled`; null on the free plan."""
    subscription_ends_at: str | None
    trial_ends_at: str | None


class PlanChange(BaseModel):
    plan: str = ""
    trial_ends_at: str = ""
    ends_at: str = ""
    past_due: bool = False


class QuotaChange(BaseModel):
    images_per_month: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    """Billing checks the range. These bounds are those of its message."""
    unlimited: bool = False


@router.get("")
async def list_users(
    caller: OperatorSession,
    paging: Paging,
    search: str = "",
    status: Annotated[str | None, Query()] = None,
) -> Page[ManagedUser]:
    """List users, newest first. `search` is a part of the address or the name."""
    if status and status not in STATES:
        raise errors.invalid({"status": [errors.choice_text("status", STATES)]})
    request = auth_pb2.ListUsersRequest(
        page=paging.number,
        limit=paging.size,
        search=search,
        unverified=status == "unverified",
        blocked=status == "blocked",
        operators=status == "operator",
    )
    response = await caller.auth.ListUsers(request)
    return paging.answer(
        "Users retrieved successfully", await _with_plans(caller, *response.users), response.total
    )


@router.get("/{user_id}")
async def get_user(user_id: UserId, caller: OperatorSession) -> Envelope[ManagedUser]:
    return await _answer(caller, user_id, "User retrieved successfully")


@router.post("/{user_id}/verify")
async def verify_user(user_id: UserId, caller: OperatorSession) -> Envelope[ManagedUser]:
    """Mark the address as verified, without a mail."""
    await caller.auth.MarkEmailVerified(auth_pb2.MarkEmailVerifiedRequest(user_id=user_id))
    return await _answer(caller, user_id, "User verified successfully")


@router.post("/{user_id}/block")
async def block_user(user_id: UserId, caller: OperatorSession, backend: BackendDep) -> Envelope[ManagedUser]:
    """Refuse the user's logins, tokens and sessions from now on."""
    await caller.auth.SetBlocked(auth_pb2.SetBlockedRequest(user_id=user_id, is_blocked=True))
    backend.callers.forget(user_id)
    return await _answer(caller, user_id, "User blocked successfully")


@router.post("/{user_id}/unblock")
async def unblock_user(
    user_id: UserId, caller: OperatorSession, backend: BackendDep
) -> Envelope[ManagedUser]:
    await caller.auth.SetBlocked(auth_pb2.SetBlockedRequest(user_id=user_id, is_blocked=False))
    backend.callers.forget(user_id)
    return await _answer(caller, user_id, "User unblocked successfully")


@router.delete("/{user_id}/second-factor", openapi_extra=takes(Proof, is_required=False))
async def reset_second_factor(
    request: Request, user_id: UserId, caller: OperatorSession
) -> Envelope[ManagedUser]:
    """Switch off the second factor of a user who has lost it. The user gets a mail about it. This needs a
    session from a login of the last 15 minutes, or `current_password`; with a second factor `otp` instead.
    """
    values = await bodies.parse(request, Proof) if "content-type" in request.headers else {}
    await caller.auth.ResetSecondFactor(auth_pb2.ResetSecondFactorRequest(user_id=user_id, **values))
    return await _answer(caller, user_id, "Second factor disabled successfully")


@router.put("/{user_id}/plan", openapi_extra=takes(PlanChange))
async def set_plan(
    request: Request, user_id: UserId, caller: OperatorSession, backend: BackendDep
) -> Envelope[ManagedUser]:
    """Put the user on a plan. Another plan ends a custom quota."""
    values = await bodies.parse(request, PlanChange)
    await caller.auth.FindUser(auth_pb2.FindUserRequest(user_id=user_id))
    times = {name: instant_of(name, values[name]) for name in ("trial_ends_at", "ends_at")}
    change = billing_pb2.SetPlanRequest(
        user_id=user_id, plan=values["plan"], past_due=values["past_due"], **times
    )
    try:
        await caller.billing.SetPlan(change)
    except errors.NotFound as error:
        raise errors.invalid({"plan": ["There is no plan with this name."]}) from error
    except errors.InvalidArgument as error:
        raise errors.invalid({"plan": [error.message]}) from error
    backend.callers.forget(user_id)
    return await _answer(caller, user_id, "Plan changed successfully")


@router.put("/{user_id}/quota", openapi_extra=takes(QuotaChange))
async def set_quota(
    request: Request, user_id: UserId, caller: OperatorSession, backend: BackendDep
) -> Envelope[ManagedUser]:
    """Give the user a custom monthly quota. Without any field the quota of the plan applies again."""
    values = await bodies.parse(request, QuotaChange)
    await caller.auth.FindUser(auth_pb2.FindUserRequest(user_id=user_id))
    try:
        await caller.billing.SetQuota(billing_pb2.SetQuotaRequest(user_id=user_id, **values))
    except (errors.InvalidArgument, errors.FailedPrecondition) as error:
        raise errors.invalid({"images_per_month": [error.message]}) from error
    backend.callers.forget(user_id)
    return await _answer(caller, user_id, "Quota changed successfully")


async def _answer(caller: Caller, user_id: int, message: str) -> Envelope[ManagedUser]:
    found = await caller.auth.FindUser(auth_pb2.FindUserRequest(user_id=user_id))
    [user] = await _with_plans(caller, found.user)
    return Envelope(message=message, data=user)


async def _with_plans(caller: Caller, *users: auth_pb2.User) -> list[ManagedUser]:
    request = billing_pb2.ListEntitlementsRequest(user_ids=[user.id for user in users])
    entitlements = (await caller.billing.ListEntitlements(request)).entitlements if users else []
    return [to_user(user, entitlement) for user, entitlement in zip(users, entitlements, strict=True)]


def to_user(user: auth_pb2.User, entitlement: billing_pb2.UserEntitlement) -> ManagedUser:
    usage, subscription = entitlement.usage, entitlement.subscription
    return ManagedUser(
        id=user.id,
        name=user.name,
        email=user.email,
        email_verified_at=format_time(user.email_verified_at) if user.HasField("email_verified_at") else None,
        pending_email=user.pending_email or None,
        second_factor=user.second_factor,
        is_operator=user.is_operator,
        blocked_at=format_time(user.blocked_at) if user.HasField("blocked_at") else None,
        created_at=format_time(user.created_at),
        plan=entitlement.plan.slug,
        used=usage.used,
        reserved=entitlement.reserved,
        limit=usage.limit if usage.HasField("limit") else None,
        has_custom_quota=entitlement.has_custom_quota,
        subscription_status=subscription.status or None,
        subscription_ends_at=format_time(subscription.ends_at) if subscription.HasField("ends_at") else None,
        trial_ends_at=(
            format_time(subscription.trial_ends_at) if subscription.HasField("trial_ends_at") else None
        ),
    )
