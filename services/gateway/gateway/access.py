"""What is checked before a route runs and before any of the body is read, in the contract's order:
401, 429, 403 unverified, 403 subscription, 403 plan feature, 403 ability, 403 quota used up.
"""

import ipaddress
from dataclasses import dataclass

from starlette.requests import Request

from common import errors
from gateway.backend import Backend
from gateway.callers import Caller
from gateway.limits import Count

IPV6_NETWORK_BYTES = 8
POLLS_AT_ONCE = 10
"""Asking the broker for each would cost a poll a fifth more."""


@dataclass(frozen=True, slots=True)
class Access:
    """A dependency: gives the caller, or refuses. `creates` marks routes that make new images."""

    ability: str = ""
    verified: bool = True
    polls: bool = False
    creates: bool = False

    async def __call__(self, request: Request) -> Caller:
        backend: Backend = request.app.state.backend
        caller = await _authenticated(backend, request)
        _tell_quota(request, caller)
        await self._count(backend, request, caller)
        if self.verified and not caller.user.HasField("email_verified_at"):
            raise errors.PermissionDenied("Your email address is not verified.", reason="email_unverified")
        if self.creates:
            _require_entitled(caller)
        if self.ability and self.ability not in caller.abilities:
            raise errors.PermissionDenied(
                f"The token lacks the ability {self.ability}.", reason="missing_ability"
            )
        if self.creates and caller.quota_is_used_up:
            await backend.callers.refreshed(caller)
            _tell_quota(request, caller)
            if caller.quota_is_used_up:
                raise errors.PermissionDenied(
                    "You have exceeded your monthly image quota.", reason="quota_exceeded"
                )
        return caller

    async def _count(self, backend: Backend, request: Request, caller: Caller) -> None:
        limit = caller.entitlement.plan.requests_per_hour
        if self.polls:
            polls = limit * backend.settings.poll_multiplier
            count = await backend.limits.count(f"poll-{caller.user.id}", polls, POLLS_AT_ONCE)
        else:
            count = await backend.limits.count(f"user-{caller.user.id}", limit)
        _admit(request, count)


async def public(request: Request) -> None:
    """A dependency of routes that need no token: limited by the client's address."""
    backend: Backend = request.app.state.backend
    limit = backend.settings.unauthenticated_requests_per_hour
    _admit(request, await backend.limits.count(f"address-{_address(backend, request)}", limit))


async def _authenticated(backend: Backend, request: Request) -> Caller:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    try:
        return await backend.callers.of_token(text.strip() if scheme.lower() == "bearer" else "")
    except errors.Unauthenticated:
        limit = backend.settings.unauthenticated_requests_per_hour
        count = await backend.limits.count(f"address-{_address(backend, request)}", limit)
        request.state.headers.update(count.headers())
        raise


def _admit(request: Request, count: Count) -> None:
    request.state.headers.update(count.headers())
    if count.is_over:
        request.state.headers["Retry-After"] = str(count.resets_in)
        raise errors.ResourceExhausted("Too many requests.", reason="too_many_requests")


def _require_entitled(caller: Caller) -> None:
    if not caller.entitlement.is_active:
        raise errors.PermissionDenied("Your subscription has expired.", reason="subscription_expired")
    if "api_access" not in caller.entitlement.plan.features:
        raise errors.PermissionDenied("Your plan does not include API access.", reason="no_api_access")


def _tell_quota(request: Request, caller: Caller) -> None:
    """The monthly quota goes with every answer about images, errors too."""
    usage = caller.entitlement.usage
    if request.scope["path"].startswith(("/api/images", "/api/batches")) and usage.HasField("limit"):
        tell_quota(request, usage.used, usage.limit)


def tell_quota(request: Request, used: int, limit: int) -> None:
    request.state.headers["X-RateLimit-Limit"] = str(limit)
    request.state.headers["X-RateLimit-Remaining"] = str(max(0, limit - used))


def _address(backend: Backend, request: Request) -> str:
    """The client's address in hexadecimal: the last one in X-Forwarded-For that no trusted proxy of ours
    wrote. Of IPv6 only the network counts, since a client has all of its addresses.
    """
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))  # a proxy may add a line of its own
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    address = request.client.host if request.client else "0.0.0.0"  # noqa: S104  no socket, as in tests
    while hops and _is_trusted(backend, address):
        address = hops.pop()
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).packed[:IPV6_NETWORK_BYTES].hex()


def _is_trusted(backend: Backend, address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in backend.settings.trusted_proxies)
