"""Checks before a route runs and before its body is read, in the order of the contract:
401, 429, 403 unverified, 403 subscription, 403 plan feature, 403 ability, 403 quota used up.
"""

from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.requests import Request

from common import errors, security_events
from gateway.backend import Backend, backend_of
from gateway.http.routing import has_quota_headers
from gateway.identity.addresses import client_address, to_text
from gateway.identity.callers import Caller
from gateway.identity.console_cookie import credential_of
from gateway.identity.limits import Count
from loupe import refusals
from loupe.billing.v1 import billing_pb2
from loupe.contract import ABILITIES, ADMIN, IDEMPOTENCY_KEY
from loupe.images.v1 import images_pb2
from loupe.refusals import Refusal

RESERVED_AT_ONCE = 10
"""A message to the broker for each poll or request of the console would make them a fifth more expensive."""


@dataclass(frozen=True, slots=True)
class Access:
    """A dependency of a route that returns the caller, or refuses the request."""

    ability: str = ""
    """The ability that the token needs; empty: none."""
    all_abilities: bool = False
    requires_verification: bool = True
    """Whether the user's mail address must be verified."""
    is_poll: bool = False
    """Whether requests count against the separate limit of polls."""
    creates_images: bool = False
    """Whether the route creates images. The caller then needs an active subscription and some quota left, or
    an idempotency key.
    """
    feature: str = ""
    """The plan's feature that the route needs; empty: none."""

    @property
    def abilities(self) -> tuple[str, ...]:
        """The abilities that the token needs."""
        return ABILITIES if self.all_abilities else (self.ability,) if self.ability else ()

    @property
    def refusals(self) -> list[Refusal]:
        """The refusals of these checks, in their order, without those that every route has."""
        possible = [
            (True, refusals.UNAUTHENTICATED),
            (True, refusals.ACCOUNT_BLOCKED),
            (self.requires_verification, refusals.EMAIL_UNVERIFIED),
            (self.creates_images, refusals.SUBSCRIPTION_EXPIRED),
            (self.creates_images, refusals.NO_API_ACCESS),
            (self.feature, refusals.PLAN_FEATURE_MISSING),
            (self.abilities, refusals.MISSING_ABILITY),
            (self.creates_images, refusals.QUOTA_EXCEEDED),
        ]
        return [refusal for is_possible, refusal in possible if is_possible]

    async def __call__(self, request: Request) -> Caller:
        backend = backend_of(request)
        caller = await _authenticate(backend, request)
        _add_quota_headers(request, caller.entitlement.usage)
        await _count_caller(backend, request, caller, is_poll=self.is_poll)
        await self._require(backend, request, caller)
        return caller

    async def refusal_of(self, request: Request, caller: Caller) -> errors.ServiceError | None:
        """Return why a request of this caller would be refused, or None. Limits are not checked."""
        try:
            await self._require(backend_of(request), request, caller)
        except (errors.PermissionDenied, errors.FailedPrecondition) as error:
            return error
        return None

    async def _require(self, backend: Backend, request: Request, caller: Caller) -> None:
        if self.requires_verification and not caller.user.HasField("email_verified_at"):
            raise errors.refused(refusals.EMAIL_UNVERIFIED)
        if self.creates_images:
            _require_subscription(caller)
        if self.feature and self.feature not in caller.entitlement.plan.features:
            raise errors.refused(refusals.PLAN_FEATURE_MISSING, feature=self.feature.replace("_", " "))
        if self.ability == ADMIN and caller.lacks_second_factor_of_operators:
            raise errors.refused(refusals.OPERATOR_SECOND_FACTOR_REQUIRED)
        for ability in self.abilities:
            if ability not in caller.abilities:
                raise errors.refused(refusals.MISSING_ABILITY, ability=ability)
        if self.creates_images:
            await _require_quota(backend, request, caller)


def access_by_route(app: FastAPI) -> dict[tuple[str, str], Access]:
    """Return the access of every route that needs a token, by method and path."""
    return {
        (method, str(route.path_format)): dependency.call
        for route in iter_route_contexts(app.routes)
        for method in sorted(route.methods or ())
        for dependency in (route.dependant.dependencies if hasattr(route, "dependant") else ())
        if isinstance(dependency.call, Access)
    }


async def find_again(request: Request) -> Caller:
    """Return the caller of a request that takes long. Raise `Unauthenticated` if the token is revoked."""
    backend = backend_of(request)
    text, is_console_session = credential_of(request, backend.settings.public_url)
    return await backend.callers.find_by_token(text, is_console_session=is_console_session)


def shows_credential(request: Request) -> bool:
    """Return whether the request shows a token, valid or not, or a session of the console."""
    credential = credential_of(request, backend_of(request).settings.public_url)
    return bool(credential.text) or not credential.is_console_session


async def limit_by_address(request: Request) -> None:
    """A dependency of routes without a token. It counts the request against the client's address."""
    _admit(request, await _count_address(request))


async def limit_by_caller_or_address(request: Request) -> None:
    """A dependency of routes where a token is optional. It counts the request against the user, or without a
    valid token against the client's address. Requests that no route answers are counted in the same way.
    """
    backend = backend_of(request)
    try:
        caller = await _find_caller(backend, request)
    except errors.ServiceError:
        await limit_by_address(request)
    else:
        _add_quota_headers(request, caller.entitlement.usage)
        await _count_caller(backend, request, caller, is_poll=False)


def readable_address(request: Request) -> str:
    """Return the client's address for logs: of IPv6 only the network, because a client has all of it."""
    return to_text(client_address(request, backend_of(request).settings.trusted_proxies))


async def limit_headers(request: Request) -> dict[str, str]:
    """Return the headers of the hourly limit for a request that failed before it was counted."""
    return (await _count_address(request, 0)).headers()


async def uncount(request: Request) -> dict[str, str]:
    """Take a request out of the count that we could not serve for a reason of ours. Return the headers of the
    hourly limit after that, or none if the request was not counted.
    """
    count: Count | None = getattr(request.state, "count", None)
    return (await backend_of(request).limits.give_back(count)).headers() if count else {}


def record_usage(
    request: Request, caller: Caller, response: images_pb2.UpscaleResponse | images_pb2.CreateBatchResponse
) -> None:
    """Add the month's count after an upload to the answer's headers, and store it in the caller.

    A replica of `images` of the previous release sends only used and limit, without a version to compare.
    """
    usage = response.usage
    if not response.HasField("usage"):
        limit = response.quota_limit if response.HasField("quota_limit") else None
        usage = billing_pb2.Usage(used=response.quota_used, limit=limit)
    apply_usage(request, caller, usage)


def apply_usage(request: Request, caller: Caller, usage: billing_pb2.Usage) -> None:
    """Add the month's count to the answer's headers, and store it in the caller."""
    _add_quota_headers(request, usage)
    caller.update_usage(usage)


async def _authenticate(backend: Backend, request: Request) -> Caller:
    try:
        return await _find_caller(backend, request)
    except (errors.Unauthenticated, errors.PermissionDenied):  # the second one: the account is blocked
        request.state.headers.update((await _count_address(request)).headers())
        raise
    except errors.ResourceExhausted:  # too many wrong tokens came from this address
        count = await _count_address(request, 0)
        request.state.headers.update(count.headers() | {"Retry-After": str(count.resets_in)})
        raise


async def _find_caller(backend: Backend, request: Request) -> Caller:
    settings = backend.settings
    text, is_console_session = credential_of(request, settings.public_url)
    return await backend.callers.find_by_token(
        text,
        lambda: client_address(request, settings.trusted_proxies),
        is_console_session=is_console_session,
    )


async def _count_caller(backend: Backend, request: Request, caller: Caller, *, is_poll: bool) -> None:
    limit = caller.entitlement.plan.requests_per_hour
    if caller.is_console_session:
        limit *= backend.settings.console_multiplier
        count = await backend.limits.count(f"console-{caller.user.id}", limit, RESERVED_AT_ONCE)
    elif is_poll:
        limit *= backend.settings.poll_multiplier
        count = await backend.limits.count(f"poll-{caller.user.id}", limit, RESERVED_AT_ONCE)
    else:
        count = await backend.limits.count(f"user-{caller.user.id}", limit)
    request.state.count = count
    _admit(request, count, user_id=caller.user.id)


async def _count_address(request: Request, reserve: int = 1) -> Count:
    backend = backend_of(request)
    address = client_address(request, backend.settings.trusted_proxies)
    limit = backend.settings.unauthenticated_requests_per_hour
    count = await backend.limits.count(f"address-{address}", limit, reserve)
    if reserve:
        request.state.count = count
    return count


def _admit(request: Request, count: Count, **ids: object) -> None:
    request.state.headers.update(count.headers())
    if count.is_first_over:  # one line an hour, because a flood of requests must not become one of lines
        security_events.record("requests.limited", limit=count.limit, **ids)
    if count.is_over:
        request.state.headers["Retry-After"] = str(count.resets_in)
        raise errors.refused(refusals.TOO_MANY_REQUESTS)


def _require_subscription(caller: Caller) -> None:
    if not caller.entitlement.is_active:
        raise errors.refused(refusals.SUBSCRIPTION_EXPIRED)
    if not caller.is_console_session and "api_access" not in caller.entitlement.plan.features:
        raise errors.refused(refusals.NO_API_ACCESS)


async def _require_quota(backend: Backend, request: Request, caller: Caller) -> None:
    """Raise if the month's quota is used up. Read it again first, because the cached count may be old.

    With an idempotency key, the request may repeat the one that took the last place. Then images refuses it
    if it is new: see `gateway.routes.submissions`.
    """
    if caller.quota_is_used_up:
        await backend.callers.refresh(caller)
        _add_quota_headers(request, caller.entitlement.usage)
        if caller.quota_is_used_up and IDEMPOTENCY_KEY not in request.headers:
            raise errors.refused(refusals.QUOTA_EXCEEDED)


def _add_quota_headers(request: Request, usage: billing_pb2.Usage) -> None:
    """Add the month's quota to answers about images and batches, errors included."""
    if has_quota_headers(request.scope["path"]) and usage.HasField("limit"):
        request.state.headers["X-RateLimit-Limit"] = str(usage.limit)
        request.state.headers["X-RateLimit-Remaining"] = str(max(0, usage.limit - usage.used))
