"""Billing's servicer on a real port, stubs for its callers, a clock for tests, and access to its tables."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from billing import plans
from billing.domain import quotas
from billing.rpc import CALLERS, BillingService
from common import rpc, timestamps
from common.channel import Channel
from common.db import Sessions
from common.identity import Verifier
from loupe.billing.v1 import billing_pb2 as pb
from loupe.billing.v1 import billing_pb2_grpc
from tests.database import Tables
from tests.internal_tokens import TokenIssuer, always

if TYPE_CHECKING:
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub

RESERVED_FOR = timedelta(hours=1)
JANE, OMAR = 7, 8


class Clock:
    """A clock that starts in the middle of a month, and moves only when a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2031, 3, 15, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


class BillingHarness(Tables):
    """Billing as its callers use it, with its clock and access to its tables."""

    def __init__(self, sessions: Sessions, clock: Clock, issuer: TokenIssuer, port: int) -> None:
        self.sessions = sessions
        self.clock = clock
        self._issuer = issuer
        self._port = port
        self._channels: list[Channel] = []
        self.images = self._service("images")
        self.operator = self._service("operator")
        self.gateway = self._service("gateway")

    def user(self, user_id: int = JANE) -> "BillingServiceAsyncStub":
        return self._stub(self._issuer.user(user_id, audience="billing"))

    async def set_plan(
        self,
        plan: str,
        user_id: int = JANE,
        *,
        images_per_month: int | None = None,
        trial_ends_at: datetime | None = None,
        ends_at: datetime | None = None,
        past_due: bool = False,
    ) -> pb.SetPlanResponse:
        """Set the plan, and a custom quota if `images_per_month` is given."""
        answer = await self.operator.SetPlan(
            pb.SetPlanRequest(
                user_id=user_id,
                plan=plan,
                trial_ends_at=timestamps.to_proto(trial_ends_at),
                ends_at=timestamps.to_proto(ends_at),
                past_due=past_due,
            )
        )
        if images_per_month is not None:
            await self.set_quota(images_per_month, user_id)
        return answer

    async def set_quota(self, images_per_month: int | None, user_id: int = JANE) -> pb.SetQuotaResponse:
        return await self.operator.SetQuota(
            pb.SetQuotaRequest(user_id=user_id, images_per_month=images_per_month)
        )

    async def ledger(self, user_id: int = JANE, period_start: str = "") -> pb.GetLedgerResponse:
        return await self.operator.GetLedger(pb.GetLedgerRequest(user_id=user_id, period_start=period_start))

    async def is_balanced(self) -> bool:
        """Return whether each month's counter equals the sum of its ledger entries."""
        counters = "SELECT user_id, period_start, used FROM quota"
        sums = "SELECT user_id, period_start, sum(change) FROM ledger_entry GROUP BY 1, 2"
        return sorted(await self.rows(counters)) == sorted(await self.rows(sums))

    async def entitlement(self, user_id: int = JANE) -> pb.GetEntitlementResponse:
        return await self.user(user_id).GetEntitlement(pb.GetEntitlementRequest())

    async def reserve_all(
        self, reservation_ids: list[str], user_id: int = JANE, *, feature: str = ""
    ) -> pb.ReserveResponse:
        return await self.images.Reserve(
            pb.ReserveRequest(reservation_ids=reservation_ids, user_id=user_id, feature=feature)
        )

    async def reserve(
        self, reservation_id: str = "", user_id: int = JANE, *, api_request: bool = False
    ) -> str:
        """Reserve one place, with a new id if none is given. Return the id."""
        reservation_id = reservation_id or str(uuid.uuid4())
        await self.images.Reserve(
            pb.ReserveRequest(reservation_ids=[reservation_id], user_id=user_id, api_request=api_request)
        )
        return reservation_id

    async def release(self, *reservation_ids: str) -> None:
        await self.images.Release(pb.ReleaseRequest(reservation_ids=reservation_ids))

    async def renew(self, *reservation_ids: str) -> None:
        await self.images.RenewReservations(pb.RenewReservationsRequest(reservation_ids=reservation_ids))

    async def capture(self, reservation_id: str) -> None:
        async with self.sessions.begin() as session:
            await quotas.capture(session, [uuid.UUID(reservation_id)])

    async def expire(self) -> int:
        async with self.sessions.begin() as session:
            return await quotas.expire(session)

    async def used(self, user_id: int = JANE, period_start: date | None = None) -> int:
        """Return the counter of a month, by default of this month."""
        period_start = period_start or self.clock.now.date().replace(day=1)
        found = await self.rows(
            "SELECT used FROM quota WHERE user_id = :user_id AND period_start = :period_start",
            user_id=user_id,
            period_start=period_start,
        )
        return found[0][0] if found else 0

    async def state(self, reservation_id: str) -> str:
        [(state,)] = await self.rows("SELECT state FROM reservation WHERE id = :id", id=reservation_id)
        return state

    async def events(self, subject: str, kind: type[Message]) -> list[Any]:
        """Return the events with this subject that are in the outbox."""
        rows = await self.rows(
            "SELECT payload FROM outbox WHERE subject = :subject ORDER BY id", subject=subject
        )
        return [kind.FromString(payload) for (payload,) in rows]

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def ready(self) -> None:
        await self._channels[0].ready()

    def _service(self, name: str) -> "BillingServiceAsyncStub":
        return self._stub(self._issuer.service(name, "billing"))

    def _stub(self, token: str) -> "BillingServiceAsyncStub":
        service = pb.DESCRIPTOR.services_by_name["BillingService"]
        channel = Channel(f"127.0.0.1:{self._port}", service, always(token))
        self._channels.append(channel)
        return billing_pb2_grpc.BillingServiceStub(channel.grpc)


@contextlib.asynccontextmanager
async def running(sessions: Sessions, clock: Clock) -> AsyncGenerator[BillingHarness]:
    issuer = TokenIssuer()
    server = rpc.Server(Verifier("billing", issuer.jwks), CALLERS)
    servicer = BillingService(sessions, plans.load(""), RESERVED_FOR.total_seconds())
    billing_pb2_grpc.add_BillingServiceServicer_to_server(servicer, server.grpc)
    billing = BillingHarness(sessions, clock, issuer, server.bind("127.0.0.1:0"))
    serving = asyncio.create_task(server.serve())
    await billing.ready()
    try:
        yield billing
    finally:
        await billing.close()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
