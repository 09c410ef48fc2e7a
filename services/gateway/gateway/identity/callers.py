"""Finds the user of a bearer token, and caches the answer for a short time under the token's SHA-256.

An event about the token, the user or the plan makes the entry outdated at once.
"""

import hashlib
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nats.aio.client import Client
from nats.aio.msg import Msg

from common import errors, messages
from gateway.identity.token_guessing import TokenGuessLimiter, token_checks
from gateway.services import Services
from loupe import refusals
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2
from loupe.contract import ADMIN

if TYPE_CHECKING:
    from loupe.auth.v1.auth_pb2_grpc import AuthServiceAsyncStub
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub
    from loupe.outbound.v1.outbound_pb2_grpc import OutboundServiceAsyncStub

LARGEST_CACHE = 10_000
cache_hits = token_checks.labels("remembered")


@dataclass(slots=True)
class Caller:
    """The user of a request: what the token allows, and stubs that call services in the user's name."""

    user: auth_pb2.User
    token_id: int
    abilities: frozenset[str]
    services: Services
    entitlement: billing_pb2.GetEntitlementResponse
    expires_at: float = math.inf
    is_console_session: bool = False
    checked_at: float = field(default_factory=time.monotonic)

    @property
    def auth(self) -> "AuthServiceAsyncStub":
        return self.services.auth

    @property
    def billing(self) -> "BillingServiceAsyncStub":
        return self.services.billing

    @property
    def images(self) -> "ImagesServiceAsyncStub":
        return self.services.images

    @property
    def outbound(self) -> "OutboundServiceAsyncStub":
        return self.services.outbound

    def is_fresh(self, seconds: float) -> bool:
        """True if auth checked the token at most that many seconds ago, and it has not expired since."""
        return time.monotonic() - self.checked_at <= seconds and time.time() < self.expires_at

    @property
    def lacks_second_factor_of_operators(self) -> bool:
        """True for an operator's session that the installation does not let act as such."""
        return self.user.is_operator and self.is_console_session and ADMIN not in self.abilities

    @property
    def quota_is_used_up(self) -> bool:
        usage = self.entitlement.usage
        return usage.HasField("limit") and usage.used >= usage.limit

    def update_usage(self, usage: billing_pb2.Usage) -> None:
        """Store the month's count if it is newer than the known one. Versions start again with each month."""
        known = self.entitlement.usage
        if _newness(known) < _newness(usage):
            known.used, known.version = usage.used, usage.version
            known.period_start.CopyFrom(usage.period_start)
            known.resets_at.CopyFrom(usage.resets_at)


class Callers:
    """A cache of the callers that this gateway knows."""

    def __init__(
        self,
        auth: "AuthServiceAsyncStub",
        as_user: Callable[[Mapping[str, str]], Services],
        remember_seconds: float,
        guess_limiter: TokenGuessLimiter,
        on_change: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`on_change` is called with the id of a user whose tokens may not be valid any more."""
        self._auth = auth
        self._as_user = as_user
        self._remember_seconds = remember_seconds
        self._known: dict[bytes, Caller] = {}
        self._keys_by_user: defaultdict[int, set[bytes]] = defaultdict(set)
        self._guess_limiter = guess_limiter
        self._on_change = on_change
        self._changes = 0
        """The number of calls of `forget`."""

    async def find_by_token(
        self, token: str, address: Callable[[], str] | None = None, *, is_console_session: bool = False
    ) -> Caller:
        """Return the user of the token or session. Raise `Unauthenticated` if it is not valid.

        A wrong one counts against `address`, and is not counted without an address.
        """
        if not token:
            raise errors.refused(refusals.UNAUTHENTICATED)
        request = auth_pb2.AuthenticateRequest(token=token, is_console_session=is_console_session)
        key = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        caller = self._known.get(key)
        if caller and caller.is_fresh(self._remember_seconds):
            cache_hits.inc()
        else:
            changes = self._changes
            if caller or not address:
                caller = await self._authenticate_again(request, key)
            else:
                caller = await self._authenticate_new(request, key, address())
            if changes == self._changes:  # otherwise auth's answer may already be outdated
                self._remember(key, caller)
        return caller

    async def refresh(self, caller: Caller) -> Caller:
        """Read the caller's entitlement from billing again. Store it in the caller, and return the caller."""
        entitlement = await caller.billing.GetEntitlement(billing_pb2.GetEntitlementRequest())
        known, caller.entitlement = caller.entitlement.usage, entitlement
        caller.update_usage(known)  # an event with a newer count may have arrived meanwhile
        return caller

    def forget(self, user_id: int) -> None:
        """Have auth check the user's tokens again at the next request."""
        self._changes += 1
        for key in self._keys_by_user.get(user_id, ()):
            # the entry stays, so that its token does not count as a guess
            self._known[key].checked_at = -math.inf
        self._on_change(user_id)

    def update_usage(self, user_id: int, usage: billing_pb2.Usage) -> None:
        """Store the month's count from an event, unless a newer count is known."""
        for key in self._keys_by_user.get(user_id, ()):
            self._known[key].update_usage(usage)

    async def listen(self, nc: Client) -> None:
        """Subscribe to changes. Every gateway receives every event.

        If an event is lost, the old entry is used until it is too old anyway. One that a stream republished
        is not heard.
        """

        async def hear(subject: str, take: Callable[[bytes], None]) -> None:
            async def receive(message: Msg) -> None:
                if not messages.republisher_of(message.headers):
                    take(message.data)

            await nc.subscribe(subject, cb=receive)

        def usage_changed(data: bytes) -> None:
            event = billing_pb2.UsageChanged.FromString(data)
            self.update_usage(event.user_id, event.usage)

        await hear("auth.tokens_revoked", lambda data: self.forget(_user_of(auth_pb2.TokensRevoked, data)))
        await hear("auth.user_changed", lambda data: self.forget(_user_of(auth_pb2.UserChanged, data)))
        await hear("billing.plan_changed", lambda data: self.forget(_user_of(billing_pb2.PlanChanged, data)))
        await hear("billing.usage_changed", usage_changed)

    async def _authenticate_new(
        self, request: auth_pb2.AuthenticateRequest, key: bytes, address: str
    ) -> Caller:
        self._guess_limiter.check(key, address)
        try:
            return await self._authenticate(request)
        except errors.Unauthenticated as error:
            if _is_wrong_token(error):
                self._guess_limiter.count_guess(key, address)
            raise

    async def _authenticate_again(self, request: auth_pb2.AuthenticateRequest, key: bytes) -> Caller:
        """Authenticate a token that was valid before, or has no address. It never counts as a guess."""
        try:
            return await self._authenticate(request)
        except errors.Unauthenticated as error:
            if _is_wrong_token(error):
                if caller := self._known.pop(key, None):
                    self._keys_by_user[caller.user.id].discard(key)
                self._guess_limiter.remember_wrong(key)
            raise

    async def _authenticate(self, request: auth_pb2.AuthenticateRequest) -> Caller:
        token_checks.labels("asked").inc()
        response = await self._auth.Authenticate(request)
        services = self._as_user(response.internal_tokens)
        entitlement = await services.billing.GetEntitlement(billing_pb2.GetEntitlementRequest())
        expires_at = (
            response.expires_at.ToNanoseconds() / 1e9 if response.HasField("expires_at") else math.inf
        )
        return Caller(
            response.user,
            response.token_id,
            frozenset(response.abilities),
            services,
            entitlement,
            expires_at,
            is_console_session=request.is_console_session,
        )

    def _remember(self, key: bytes, caller: Caller) -> None:
        if len(self._known) >= LARGEST_CACHE:
            self._known.clear()
            self._keys_by_user.clear()
        self._known[key] = caller
        self._keys_by_user[caller.user.id].add(key)


def _newness(usage: billing_pb2.Usage) -> tuple[int, int]:
    return usage.period_start.seconds, usage.version


def _user_of(
    event: type[auth_pb2.TokensRevoked | auth_pb2.UserChanged | billing_pb2.PlanChanged], data: bytes
) -> int:
    return event.FromString(data).user_id


def _is_wrong_token(error: errors.Unauthenticated) -> bool:
    """False if auth refused the gateway itself rather than the user's token."""
    return error.reason == refusals.UNAUTHENTICATED.code
