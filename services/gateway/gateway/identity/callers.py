"""Who is behind a bearer token: remembered for a short while by the token's SHA-256, forgotten as soon as an
event says that a token, a user, a plan or a count has changed.
"""

import hashlib
import math
import time
from collections import defaultdict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nats.aio.client import Client
from nats.aio.msg import Msg

from common import errors
from common.channel import TokenSource
from gateway.identity.token_guessing import TokenGuessLimiter, token_checks, unauthenticated
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2

if TYPE_CHECKING:
    from loupe.auth.v1.auth_pb2_grpc import AuthServiceAsyncStub
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub

REMEMBERED = 10_000
remembered = token_checks.labels("remembered")
_internal_tokens: ContextVar[dict[str, str]] = ContextVar("internal_tokens")


def token_for(audience: str) -> TokenSource:
    """The internal token of the user whose request is being answered."""

    async def source() -> str:
        return _internal_tokens.get()[audience]

    return source


@dataclass(slots=True)
class Caller:
    user: auth_pb2.User
    token_id: int
    abilities: frozenset[str]
    internal_tokens: dict[str, str]
    entitlement: billing_pb2.GetEntitlementResponse
    expires_at: float = math.inf
    known_at: float = field(default_factory=time.monotonic)

    def is_believed(self, seconds: float) -> bool:
        """Until so long after auth was asked, and until the token ends."""
        return time.monotonic() - self.known_at <= seconds and time.time() < self.expires_at

    @property
    def quota_is_used_up(self) -> bool:
        usage = self.entitlement.usage
        return usage.HasField("limit") and usage.used >= usage.limit

    def has_used(self, usage: billing_pb2.Usage) -> None:
        """Take over the month's count, unless the known one is as new. Each month's versions begin anew."""
        known = self.entitlement.usage
        if _newness(known) < _newness(usage):
            known.used, known.version = usage.used, usage.version
            known.period_start.CopyFrom(usage.period_start)
            known.resets_at.CopyFrom(usage.resets_at)

    def speak(self) -> None:
        """Calls to services from now on are made in this user's name."""
        _internal_tokens.set(self.internal_tokens)


class Callers:
    def __init__(
        self,
        auth: "AuthServiceAsyncStub",
        billing: "BillingServiceAsyncStub",
        remember_seconds: float,
        guesses: TokenGuessLimiter,
    ) -> None:
        self._auth = auth
        self._billing = billing
        self._remember_seconds = remember_seconds
        self._known: dict[bytes, Caller] = {}
        self._keys_of: defaultdict[int, set[bytes]] = defaultdict(set)
        self._guesses = guesses
        self._changes = 0

    async def of_token(self, text: str, address: Callable[[], str] | None = None) -> Caller:
        """Raises `Unauthenticated` for anything but a live token; wrong ones count against the address."""
        if not text:
            raise unauthenticated()
        key = hashlib.sha256(text.encode()).digest()
        caller = self._known.get(key)
        if caller and caller.is_believed(self._remember_seconds):
            remembered.inc()
        else:
            changes = self._changes
            if caller or not address:
                caller = await self._ask_again(text, key)
            else:
                caller = await self._guess(text, key, address())
            if changes == self._changes:  # else what was asked may be old already
                self._remember(key, caller)
        caller.speak()
        return caller

    async def refreshed(self, caller: Caller) -> Caller:
        """The same caller with the entitlement of this moment."""
        entitlement = await self._billing.GetEntitlement(billing_pb2.GetEntitlementRequest())
        known, caller.entitlement = caller.entitlement.usage, entitlement
        caller.has_used(known)  # an event may have been faster
        return caller

    def forget(self, user_id: int) -> None:
        self._changes += 1
        for key in self._keys_of.get(user_id, ()):
            self._known[key].known_at = -math.inf  # that it was no guess is still known

    def count(self, user_id: int, usage: billing_pb2.Usage) -> None:
        """Takes over the month's count from an event, unless it is older than what is known."""
        for key in self._keys_of.get(user_id, ()):
            self._known[key].has_used(usage)

    async def listen(self, nc: Client) -> None:
        """Plain subscriptions: every gateway hears every event; a lost one ends with the entry's age."""

        async def tokens_revoked(message: Msg) -> None:
            self.forget(auth_pb2.TokensRevoked.FromString(message.data).user_id)

        async def user_changed(message: Msg) -> None:
            self.forget(auth_pb2.UserChanged.FromString(message.data).user_id)

        async def plan_changed(message: Msg) -> None:
            self.forget(billing_pb2.PlanChanged.FromString(message.data).user_id)

        async def usage_changed(message: Msg) -> None:
            event = billing_pb2.UsageChanged.FromString(message.data)
            self.count(event.user_id, event.usage)

        await nc.subscribe("auth.tokens_revoked", cb=tokens_revoked)
        await nc.subscribe("auth.user_changed", cb=user_changed)
        await nc.subscribe("billing.plan_changed", cb=plan_changed)
        await nc.subscribe("billing.usage_changed", cb=usage_changed)

    async def _guess(self, text: str, key: bytes, address: str) -> Caller:
        self._guesses.check(key, address)
        try:
            return await self._ask(text)
        except errors.Unauthenticated as error:
            if error.reason == unauthenticated().reason:  # else it is we that auth refuses
                self._guesses.add(key, address)
            raise

    async def _ask_again(self, text: str, key: bytes) -> Caller:
        """One that was right and is not any more is known to be wrong from now on."""
        try:
            return await self._ask(text)
        except errors.Unauthenticated as error:
            if error.reason == unauthenticated().reason:
                if caller := self._known.pop(key, None):
                    self._keys_of[caller.user.id].discard(key)
                self._guesses.refuse(key)
            raise

    async def _ask(self, text: str) -> Caller:
        token_checks.labels("asked").inc()
        who = await self._auth.Authenticate(auth_pb2.AuthenticateRequest(token=text))
        internal_tokens = dict(who.internal_tokens)
        _internal_tokens.set(internal_tokens)
        entitlement = await self._billing.GetEntitlement(billing_pb2.GetEntitlementRequest())
        expires_at = who.expires_at.ToNanoseconds() / 1e9 if who.HasField("expires_at") else math.inf
        abilities = frozenset(who.abilities)
        return Caller(who.user, who.token_id, abilities, internal_tokens, entitlement, expires_at)

    def _remember(self, key: bytes, caller: Caller) -> None:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
            self._keys_of.clear()
        self._known[key] = caller
        self._keys_of[caller.user.id].add(key)


def _newness(usage: billing_pb2.Usage) -> tuple[int, int]:
    return usage.period_start.seconds, usage.version
