"""The gRPC service. Each method decodes a request, calls the domain in a transaction, and encodes."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Literal

from billing.domain import history, ledger, quotas, subscriptions
from billing.plans import Plans
from billing.tables import LedgerEntry, Subscription
from common import errors, rpc, timestamps
from common.db import Sessions, now
from loupe.billing.v1 import billing_pb2 as pb
from loupe.billing.v1 import billing_pb2_grpc
from loupe.settings.v1.settings_pb2 import Setting

CALLERS = {
    "GetEntitlement": rpc.ANY_USER,
    "GetUsageHistory": rpc.ANY_USER,
    "ListPlans": rpc.services("gateway", "operator"),
    "SetPlan": rpc.OPERATORS,
    "SetQuota": rpc.OPERATORS,
    "ListEntitlements": rpc.OPERATORS,
    "GetLedger": rpc.OPERATORS,
    "GetSettings": rpc.OPERATORS,
    "Reserve": rpc.services("images"),
    "RenewReservations": rpc.services("images"),
    "Release": rpc.services("images"),
}
MOST_USERS = 500
"""Largest number of users in one `ListEntitlements`."""


class BillingService(billing_pb2_grpc.BillingServiceServicer):
    def __init__(
        self,
        sessions: Sessions,
        plans: Plans,
        reservation_seconds: float,
        settings: Sequence[Setting] = (),
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._plans = plans
        self._reservation_time = timedelta(seconds=reservation_seconds)

    async def GetEntitlement(
        self, request: pb.GetEntitlementRequest, context: rpc.Context
    ) -> pb.GetEntitlementResponse:
        user_id = rpc.principal().user_id
        async with self._sessions.begin() as session:
            subscription = await subscriptions.find(session, user_id)
            plan = subscriptions.plan_of(self._plans, subscription)
            usage = await quotas.usage(session, user_id, plan)
        return pb.GetEntitlementResponse(
            plan=plan.to_proto(),
            subscription=subscription_to_proto(subscription),
            usage=usage.to_proto(),
            is_active=subscriptions.is_active(subscription),
        )

    async def GetUsageHistory(
        self, request: pb.GetUsageHistoryRequest, context: rpc.Context
    ) -> pb.GetUsageHistoryResponse:
        span = history.Range.parse(request.first, request.last, by_month=request.by_month)
        async with self._sessions.begin() as session:
            found = await history.sums(session, rpc.principal().user_id, span)
        return pb.GetUsageHistoryResponse(
            sums=[pb.UsageSums(start=start.isoformat(), **asdict(each)) for start, each in found]
        )

    async def ListPlans(self, request: pb.ListPlansRequest, context: rpc.Context) -> pb.ListPlansResponse:
        return pb.ListPlansResponse(plans=[plan.to_proto() for plan in self._plans.plan])

    async def SetPlan(self, request: pb.SetPlanRequest, context: rpc.Context) -> pb.SetPlanResponse:
        async with self._sessions.begin() as session:
            await subscriptions.set_plan(
                session,
                self._plans,
                request.user_id,
                request.plan,
                trial_ends_at=to_instant(request, "trial_ends_at"),
                ends_at=to_instant(request, "ends_at"),
                past_due=request.past_due,
            )
            subscription = await subscriptions.find(session, request.user_id)
        plan = subscriptions.plan_of(self._plans, subscription)
        return pb.SetPlanResponse(plan=plan.to_proto(), subscription=subscription_to_proto(subscription))

    async def SetQuota(self, request: pb.SetQuotaRequest, context: rpc.Context) -> pb.SetQuotaResponse:
        images_per_month = request.images_per_month if request.HasField("images_per_month") else None
        async with self._sessions.begin() as session:
            await subscriptions.set_quota(
                session, request.user_id, images_per_month, is_unlimited=request.unlimited
            )
            subscription = await subscriptions.find(session, request.user_id)
        return pb.SetQuotaResponse(plan=subscriptions.plan_of(self._plans, subscription).to_proto())

    async def ListEntitlements(
        self, request: pb.ListEntitlementsRequest, context: rpc.Context
    ) -> pb.ListEntitlementsResponse:
        user_ids, period_start = check_user_ids(request.user_ids), to_period(request.period_start)
        async with self._sessions.begin() as session:
            found = await subscriptions.find_many(session, user_ids)
            counters = await quotas.counters(session, user_ids, period_start)
            reserved = await quotas.count_reserved(session, user_ids, period_start)
        entitlements: list[pb.UserEntitlement] = []
        for user_id in user_ids:
            subscription, (used, version) = found.get(user_id), counters.get(user_id, (0, 0))
            plan = subscriptions.plan_of(self._plans, subscription)
            usage = quotas.Usage(used, plan.images_per_month, period_start, version)
            entitlements.append(
                pb.UserEntitlement(
                    user_id=user_id,
                    plan=plan.to_proto(),
                    subscription=subscription_to_proto(subscription),
                    usage=usage.to_proto(),
                    is_active=subscriptions.is_active(subscription),
                    reserved=reserved.get(user_id, 0),
                    has_custom_quota=subscriptions.has_custom_quota(subscription),
                )
            )
        return pb.ListEntitlementsResponse(entitlements=entitlements)

    async def GetLedger(self, request: pb.GetLedgerRequest, context: rpc.Context) -> pb.GetLedgerResponse:
        period_start = to_period(request.period_start)
        async with self._sessions.begin() as session:
            subscription = await subscriptions.find(session, request.user_id)
            plan = subscriptions.plan_of(self._plans, subscription)
            usage = await quotas.usage(session, request.user_id, plan, period_start)
            entries = await ledger.entries_of_month(session, request.user_id, period_start)
        return pb.GetLedgerResponse(
            usage=usage.to_proto(), entries=[entry_to_proto(entry) for entry in entries]
        )

    async def GetSettings(
        self, request: pb.GetSettingsRequest, context: rpc.Context
    ) -> pb.GetSettingsResponse:
        return pb.GetSettingsResponse(settings=self._settings)

    async def Reserve(self, request: pb.ReserveRequest, context: rpc.Context) -> pb.ReserveResponse:
        if not request.reservation_ids:
            raise errors.InvalidArgument(
                "the request has no reservation ids", reason="invalid_reservation_id"
            )
        expires_at = self._expiry(request.seconds)
        async with self._sessions.begin() as session:
            usage, plan, count = await quotas.reserve(
                session,
                self._plans,
                reservation_ids=[to_uuid(text) for text in request.reservation_ids],
                user_id=request.user_id,
                api_request=request.api_request,
                feature=request.feature,
                expires_at=expires_at,
                as_many_as_fit=request.as_many_as_fit,
            )
        return pb.ReserveResponse(
            usage=usage.to_proto(),
            plan=plan.to_proto(),
            expires_at=timestamps.to_proto(expires_at),
            reserved_count=count,
        )

    async def RenewReservations(
        self, request: pb.RenewReservationsRequest, context: rpc.Context
    ) -> pb.RenewReservationsResponse:
        expires_at = self._expiry()
        async with self._sessions.begin() as session:
            await quotas.renew(session, [to_uuid(text) for text in request.reservation_ids], expires_at)
        return pb.RenewReservationsResponse(expires_at=timestamps.to_proto(expires_at))

    async def Release(self, request: pb.ReleaseRequest, context: rpc.Context) -> pb.ReleaseResponse:
        async with self._sessions.begin() as session:
            await quotas.release(session, [to_uuid(text) for text in request.reservation_ids])
        return pb.ReleaseResponse()

    def _expiry(self, seconds: int = 0) -> datetime:
        """Return when a reservation made now expires: after `seconds`, at most after the longest time."""
        longest = self._reservation_time
        return now() + (min(timedelta(seconds=seconds), longest) if seconds > 0 else longest)


def check_user_ids(user_ids: Sequence[int]) -> Sequence[int]:
    if len(user_ids) > MOST_USERS:
        message = f"{len(user_ids)} users are more than {MOST_USERS}."
        raise errors.InvalidArgument(message, reason="too_many_users")
    return user_ids


def to_uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise errors.InvalidArgument(f"{text!r} is not a UUID", reason="invalid_reservation_id") from error


def to_instant(request: pb.SetPlanRequest, name: Literal["trial_ends_at", "ends_at"]) -> datetime | None:
    return timestamps.from_proto(getattr(request, name)) if request.HasField(name) else None


def to_period(text: str) -> date:
    """Return the first day of a month. An empty text means this month."""
    if not text:
        return quotas.period_of(now())
    if not re.fullmatch(r"2[0-9]{3}-(0[1-9]|1[0-2])-01", text):
        message = f"{text!r} is not the first day of a month, such as 2026-02-01"
        raise errors.InvalidArgument(message, reason="invalid_period")
    return date.fromisoformat(text)


def entry_to_proto(entry: LedgerEntry) -> pb.LedgerEntry:
    return pb.LedgerEntry(
        reservation_id=str(entry.reservation_id),
        change=entry.change,
        reason=entry.reason,
        created_at=timestamps.to_proto(entry.created_at),
    )


def subscription_to_proto(subscription: Subscription | None) -> pb.Subscription | None:
    if subscription is None:
        return None
    return pb.Subscription(
        id=subscription.id or 0,
        type=subscription.type,
        status=subscriptions.status(subscription),
        quantity=subscription.quantity,
        trial_ends_at=timestamps.to_proto(subscription.trial_ends_at),
        ends_at=timestamps.to_proto(subscription.ends_at),
        created_at=timestamps.to_proto(subscription.created_at),
    )
