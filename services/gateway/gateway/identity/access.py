"""What is checked before a route runs and before any of the body is read, in the contract's order:
401, 429, 403 unverified, 403 subscription, 403 plan feature, 403 ability, 403 quota used up.
"""

import ipaddress
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.requests import Request

from common import errors
from gateway.backend import Backend
from gateway.identity.callers import Caller
from gateway.identity.limits import Count
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2

ABILITIES = ("images:read", "images:write", "images:delete", "user:read")
IPV6_NETWORK_BYTES = 8
POLLS_AT_ONCE = 10
"""Asking the broker for each would cost a poll a fifth more."""


@dataclass(frozen=True, slots=True)
class Access:
    """A dependency: gives the caller, or refuses. `creates` marks routes that make new images;
    `feature` is one of the plan's; `everything` stands for all abilities.
    """

    ability: str = ""
    verified: bool = True
    polls: bool = False
    creates: bool = False
    feature: str = ""
    everything: bool = False

    @property
    def abilities(self) -> tuple[str, ...]:
        """What the token must be able to do."""
        return ABILITIES if self.everything else (self.ability,) if self.ability else ()

    async def __call__(self, request: Request) -> Caller:
        backend: Backend = request.app.state.backend
        caller = await _authenticated(backend, request)
        _tell_quota(request, caller)
        await _count(backend, request, caller, polls=self.polls)
        if self.verified and not caller.user.HasField("email_verified_at"):
            raise errors.PermissionDenied("Your email address is not verified.", reason="email_unverified")
        if self.creates:
            _require_entitled(caller)
        if self.feature and self.feature not in caller.entitlement.plan.features:
            words = self.feature.replace("_", " ")
            raise errors.PermissionDenied(
                f"Your plan does not include {words}.", reason="plan_feature_missing"
            )
        for ability in self.abilities:
            if ability not in caller.abilities:
                raise errors.PermissionDenied(
                    f"The token lacks the ability {ability}.", reason="missing_ability"
                )
        if self.creates and caller.quota_is_used_up:
            await backend.callers.refreshed(caller)
            _tell_quota(request, caller)
            if caller.quota_is_used_up:
                raise errors.PermissionDenied(
                    "You have exceeded your monthly image quota.", reason="quota_exceeded"
                )
        return caller


def access_of(app: FastAPI) -> list[tuple[str, str, Access]]:
    """Method and path of every route that asks who calls, and what it asks."""
    return [
        (method, str(route.path_format), dependency.call)
        for route in iter_route_contexts(app.routes)
        for method in sorted(route.methods or ())
        for dependency in (route.dependant.dependencies if hasattr(route, "dependant") else ())
        if isinstance(dependency.call, Access)
    ]


async def public(request: Request) -> None:
    """A dependency of routes that need no token: limited by the client's address."""
    _admit(request, await _by_address(request))


async def anyone(request: Request) -> None:
    """A dependency of routes that need no token and heed one: limited for its user, or else by the client's
    address. So is what no route answers.
    """
    backend: Backend = request.app.state.backend
    try:
        caller = await _caller(backend, request)
    except errors.ServiceError:
        await public(request)
    else:
        _tell_quota(request, caller)
        await _count(backend, request, caller, polls=False)


async def told(request: Request) -> dict[str, str]:
    """The limit's headers where a request has failed before it was counted."""
    return (await _by_address(request, 0)).headers()


def is_limited(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


async def _authenticated(backend: Backend, request: Request) -> Caller:
    try:
        return await _caller(backend, request)
    except errors.Unauthenticated:
        request.state.headers.update((await _by_address(request)).headers())
        raise
    except errors.ResourceExhausted:  # too many wrong tokens have come from there
        count = await _by_address(request, 0)
        request.state.headers.update(count.headers() | {"Retry-After": str(count.resets_in)})
        raise


async def _caller(backend: Backend, request: Request) -> Caller:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    token = text.strip() if scheme.lower() == "bearer" else ""
    return await backend.callers.of_token(token, lambda: _address(backend, request))


async def _count(backend: Backend, request: Request, caller: Caller, *, polls: bool) -> None:
    limit = caller.entitlement.plan.requests_per_hour
    if polls:
        most = limit * backend.settings.poll_multiplier
        count = await backend.limits.count(f"poll-{caller.user.id}", most, POLLS_AT_ONCE)
    else:
        count = await backend.limits.count(f"user-{caller.user.id}", limit)
    _admit(request, count)


async def _by_address(request: Request, at_once: int = 1) -> Count:
    backend: Backend = request.app.state.backend
    limit = backend.settings.unauthenticated_requests_per_hour
    return await backend.limits.count(f"address-{_address(backend, request)}", limit, at_once)


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
    if request.scope["path"].startswith(("/api/images", "/api/batches")):
        _add_headers(request, caller.entitlement.usage)


def tell_usage(
    request: Request, caller: Caller, response: images_pb2.UpscaleResponse | images_pb2.CreateBatchResponse
) -> None:
    """Add the month's count after an upload to the answer's headers, and remember it for the next request.

    A replica of `images` of the release before sends used and limit only, without a version to compare.
    """
    usage = response.usage
    if not response.HasField("usage"):
        limit = response.quota_limit if response.HasField("quota_limit") else None
        usage = billing_pb2.Usage(used=response.quota_used, limit=limit)
    _add_headers(request, usage)
    caller.has_used(usage)


def _add_headers(request: Request, usage: billing_pb2.Usage) -> None:
    if usage.HasField("limit"):
        request.state.headers["X-RateLimit-Limit"] = str(usage.limit)
        request.state.headers["X-RateLimit-Remaining"] = str(max(0, usage.limit - usage.used))


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
    if isinstance(parsed, ipaddress.IPv6Address):  # a socket for both kinds tells both so
        parsed = parsed.ipv4_mapped or parsed
    return any(parsed in network for network in backend.settings.trusted_proxies)
