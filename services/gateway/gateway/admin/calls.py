"""The calls that an operator makes. Users are named by their mail address."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from common import timestamps
from gateway.admin.connection import Connection
from loupe.audit.v1.audit_pb2 import Entry
from loupe.auth.v1 import auth_pb2, auth_pb2_grpc
from loupe.billing.v1 import billing_pb2, billing_pb2_grpc
from loupe.images.v1 import images_pb2, images_pb2_grpc
from loupe.outbound.v1 import outbound_pb2, outbound_pb2_grpc
from loupe.settings.v1.settings_pb2 import Setting

if TYPE_CHECKING:
    from loupe.auth.v1.auth_pb2_grpc import AuthServiceAsyncStub
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub
    from loupe.outbound.v1.outbound_pb2_grpc import OutboundServiceAsyncStub

MOST_DEAD_MESSAGES = 1000
LARGEST_PAGE = 500
"""Largest number of users in a page of auth, and in one request to billing."""
AUDIT_PAGE = 1000
"""Largest number of entries in a page of the audit."""
PAGE_SECONDS = 60.0
"""Time for a page of some hundred images. The images service looks each of them up in the object store."""


class Operator:
    """Calls services as an operator."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._connection = connection = Connection(settings)
        auth = connection.channel("auth", auth_pb2.DESCRIPTOR.services_by_name["AuthService"])
        billing = connection.channel("billing", billing_pb2.DESCRIPTOR.services_by_name["BillingService"])
        images = connection.channel("images", images_pb2.DESCRIPTOR.services_by_name["ImagesService"])
        self._auth: AuthServiceAsyncStub = auth_pb2_grpc.AuthServiceStub(auth.grpc)
        self._billing: BillingServiceAsyncStub = billing_pb2_grpc.BillingServiceStub(billing.grpc)
        self._images: ImagesServiceAsyncStub = images_pb2_grpc.ImagesServiceStub(images.grpc)

    async def find_user(self, email: str) -> auth_pb2.FindUserResponse:
        return await self._auth.FindUser(auth_pb2.FindUserRequest(email=email))

    async def list_users(
        self, *, search: str, unverified: bool, limit: int | None
    ) -> AsyncIterator[Sequence[auth_pb2.User]]:
        """Yield pages of users, together at most `limit`."""
        request = auth_pb2.ListUsersRequest(search=search, unverified=unverified)
        while limit is None or limit > 0:
            request.limit = LARGEST_PAGE if limit is None else min(LARGEST_PAGE, limit)
            page = await self._auth.ListUsers(request)
            yield page.users
            if not page.next_after_id:
                break
            request.after_id = page.next_after_id
            limit = None if limit is None else limit - len(page.users)

    async def add_user(self, name: str, email: str, password: str) -> auth_pb2.User:
        request = auth_pb2.CreateUserRequest(name=name, email=email, password=password)
        return (await self._auth.CreateUser(request)).user

    async def verify_user(self, email: str) -> auth_pb2.MarkEmailVerifiedResponse:
        request = auth_pb2.MarkEmailVerifiedRequest(user_id=await self._user_id(email))
        return await self._auth.MarkEmailVerified(request)

    async def start_first_run(self) -> auth_pb2.StartFirstRunResponse:
        return await self._auth.StartFirstRun(auth_pb2.StartFirstRunRequest())

    async def set_operator(self, email: str, *, is_operator: bool) -> auth_pb2.SetOperatorResponse:
        request = auth_pb2.SetOperatorRequest(user_id=await self._user_id(email), is_operator=is_operator)
        return await self._auth.SetOperator(request)

    async def set_blocked(self, email: str, *, is_blocked: bool) -> auth_pb2.SetBlockedResponse:
        request = auth_pb2.SetBlockedRequest(user_id=await self._user_id(email), is_blocked=is_blocked)
        return await self._auth.SetBlocked(request)

    async def reset_second_factor(self, email: str, *, no_notice: bool) -> auth_pb2.ResetSecondFactorResponse:
        request = auth_pb2.ResetSecondFactorRequest(
            user_id=await self._user_id(email), without_notice=no_notice
        )
        return await self._auth.ResetSecondFactor(request)

    async def read_audit(
        self,
        user_id: int,
        *,
        event: str | None,
        since: datetime | None,
        until: datetime | None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> AsyncIterator[Sequence[Entry]]:
        """Yield pages of the audit, together at most `limit` entries. `user_id` is 0 for all users."""
        request = auth_pb2.ListAuditRequest(
            user_id=user_id,
            event=event or "",
            since=timestamps.to_proto(since),
            until=timestamps.to_proto(until),
            newest_first=newest_first,
        )
        while limit is None or limit > 0:
            request.limit = AUDIT_PAGE if limit is None else min(AUDIT_PAGE, limit)
            page = await self._auth.ListAudit(request)
            yield page.entries
            if not page.HasField("next_after"):
                break
            request.after.CopyFrom(page.next_after)
            limit = None if limit is None else limit - len(page.entries)

    async def rotate_keys(self) -> auth_pb2.RotateKeysResponse:
        return await self._auth.RotateKeys(auth_pb2.RotateKeysRequest())

    async def list_plans(self) -> billing_pb2.ListPlansResponse:
        return await self._billing.ListPlans(billing_pb2.ListPlansRequest())

    async def set_plan(
        self,
        email: str,
        plan: str,
        trial_until: datetime | None = None,
        until: datetime | None = None,
        *,
        past_due: bool = False,
    ) -> billing_pb2.SetPlanResponse:
        request = billing_pb2.SetPlanRequest(
            user_id=await self._user_id(email),
            plan=plan,
            trial_ends_at=timestamps.to_proto(trial_until),
            ends_at=timestamps.to_proto(until),
            past_due=past_due,
        )
        return await self._billing.SetPlan(request)

    async def set_quota(
        self, email: str, images: int | None = None, *, unlimited: bool = False
    ) -> billing_pb2.SetQuotaResponse:
        """Set a custom quota. Without `images` and `unlimited` the quota of the plan applies again."""
        request = billing_pb2.SetQuotaRequest(
            user_id=await self._user_id(email), images_per_month=images, unlimited=unlimited
        )
        return await self._billing.SetQuota(request)

    async def read_ledger(self, email: str, month: str = "") -> billing_pb2.GetLedgerResponse:
        """Return the ledger of the month that starts on the day `month`, by default of this month."""
        request = billing_pb2.GetLedgerRequest(user_id=await self._user_id(email), period_start=month)
        return await self._billing.GetLedger(request)

    async def read_entitlements(
        self, user_ids: Sequence[int], month: str = ""
    ) -> Sequence[billing_pb2.UserEntitlement]:
        """Return the entitlements of at most 500 users, in the order of their ids in `user_ids`."""
        request = billing_pb2.ListEntitlementsRequest(user_ids=user_ids, period_start=month)
        return (await self._billing.ListEntitlements(request)).entitlements

    async def list_dead(self, limit: int) -> images_pb2.ListDeadMessagesResponse:
        return await self._images.ListDeadMessages(images_pb2.ListDeadMessagesRequest(limit=limit))

    async def redrive_dead(self, sequence: int) -> None:
        await self._images.RedriveDeadMessage(images_pb2.RedriveDeadMessageRequest(sequence=sequence))

    async def check_objects(self, *, mark: bool) -> AsyncIterator[images_pb2.CheckObjectsResponse]:
        """Yield pages of images with a missing object, each with the number of checked images."""
        request = images_pb2.CheckObjectsRequest(mark=mark)
        while True:
            page = await self._images.CheckObjects(request, timeout=PAGE_SECONDS)
            yield page
            request.after_id = page.next_after_id
            if not page.next_after_id:
                break

    async def replay_outcomes(self, since: datetime) -> int:
        """Send outcomes to billing again, and return their number."""
        request, replayed = images_pb2.ReplayEndingsRequest(since=timestamps.to_proto(since)), 0
        while True:
            page = await self._images.ReplayEndings(request, timeout=PAGE_SECONDS)
            replayed += page.replayed
            request.after_id = page.next_after_id
            if not page.next_after_id:
                return replayed

    async def list_failing_webhooks(self, limit: int) -> outbound_pb2.ListFailingWebhooksResponse:
        return await self._outbound().ListFailingWebhooks(
            outbound_pb2.ListFailingWebhooksRequest(limit=limit)
        )

    async def redrive_webhook(self, webhook_id: int) -> int:
        """Enable a webhook, and return how many deliveries are due now."""
        request = outbound_pb2.RedriveWebhookRequest(id=webhook_id)
        return (await self._outbound().RedriveWebhook(request, timeout=PAGE_SECONDS)).deliveries

    async def read_queue(self) -> images_pb2.GetQueueResponse:
        return await self._images.GetQueue(images_pb2.GetQueueRequest())

    async def read_storage(self) -> images_pb2.GetStorageResponse:
        return await self._images.GetStorage(images_pb2.GetStorageRequest())

    async def read_settings(self) -> dict[str, Sequence[Setting]]:
        """Return the settings in force of the services, by service."""
        auth = await self._auth.GetSettings(auth_pb2.GetSettingsRequest())
        billing = await self._billing.GetSettings(billing_pb2.GetSettingsRequest())
        images = await self._images.GetSettings(images_pb2.GetSettingsRequest())
        outbound = await self._outbound().GetSettings(outbound_pb2.GetSettingsRequest())
        return {
            "auth": auth.settings,
            "billing": billing.settings,
            "images": images.settings,
            "outbound": outbound.settings,
        }

    def _outbound(self) -> "OutboundServiceAsyncStub":
        service = outbound_pb2.DESCRIPTOR.services_by_name["OutboundService"]
        return outbound_pb2_grpc.OutboundServiceStub(self._connection.channel("outbound", service).grpc)

    async def _user_id(self, email: str) -> int:
        return (await self.find_user(email)).user.id
