"""Internal tokens: short-lived JWTs (EdDSA, RFC 8037) that identify the caller.

A service never trusts the network. Each call carries a token that auth signed for the called service, and the
service checks it against auth's public keys.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from common import errors

ISSUER = "loupe-auth"
ALGORITHM = "EdDSA"
MAX_CACHED_TOKENS = 10_000
REFETCH_SECONDS = 5.0
"""If this time has passed since the last fetch, the count of fetches in a row starts again."""
FETCHES_IN_A_ROW = 5


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: either a user with an API token, or another service of Loupe."""

    service: str = ""
    user_id: int = 0
    token_id: int = 0
    abilities: frozenset[str] = frozenset()
    role: str = ""
    """`operator`, or empty for other users."""
    acts_as_operator: bool = False
    """Whether the running method admits this user as operator only."""


class Verifier:
    """Checks tokens for one audience. It caches verified tokens until they expire."""

    def __init__(self, audience: str, fetch_jwks: Callable[[], Awaitable[str]]) -> None:
        self._audience = audience
        self._fetch_jwks = fetch_jwks
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._fetched_in_a_row = 0
        self._fetching = asyncio.Lock()
        self._verified: dict[str, tuple[Principal, float]] = {}

    async def verify(self, token: str) -> Principal:
        """Return the caller. Raise `Unauthenticated` for a bad token.

        Raise what `fetch_jwks` raises if the keys are needed and auth does not answer.
        """
        principal, expires_at = self._verified.get(token, (None, 0.0))
        if principal and expires_at > time.time():
            return principal
        claims = await self._verified_claims(token)
        principal = to_principal(claims)
        if len(self._verified) >= MAX_CACHED_TOKENS:
            self._verified.clear()
        self._verified[token] = (principal, float(claims["exp"]))
        return principal

    async def _verified_claims(self, token: str) -> dict[str, Any]:
        try:
            key = await self._signing_key(jwt.get_unverified_header(token).get("kid", ""))
            return jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=ISSUER,
                # `iat` is not checked, because the clocks of two machines differ a little
                options={"require": ["exp", "sub", "aud", "iss"], "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise errors.Unauthenticated(
                f"internal token refused: {error}", reason="internal_token_invalid"
            ) from error

    async def _signing_key(self, key_id: str) -> jwt.PyJWK:
        """Return the signing key with this id. An unknown key may be new, so fetch the key set again for it.

        The number of fetches in a row is limited, so that invented key ids do not cause a request each time.
        """
        if key_id not in self._keys:
            async with self._fetching:
                if key_id not in self._keys and self._may_fetch():
                    key_set = jwt.PyJWKSet.from_json(await self._fetch_jwks())
                    self._keys = {str(key.key_id): key for key in key_set.keys}
                    self._fetched_at = time.monotonic()
                    self._fetched_in_a_row += 1
        if key_id not in self._keys:
            raise jwt.InvalidKeyError(f"there is no signing key {key_id!r}")
        return self._keys[key_id]

    def _may_fetch(self) -> bool:
        if time.monotonic() - self._fetched_at > REFETCH_SECONDS:
            self._fetched_in_a_row = 0
        return self._fetched_in_a_row < FETCHES_IN_A_ROW


def to_principal(claims: dict[str, Any]) -> Principal:
    """Return the caller that the claims name. The subject is `service:<name>` or a user id."""
    subject = str(claims["sub"])
    if subject.startswith("service:"):
        return Principal(service=subject.removeprefix("service:"))
    return Principal(
        user_id=int(subject),
        token_id=int(claims["token_id"]),
        abilities=frozenset(claims["abilities"]),
        role=str(claims.get("role", "")),
    )


class ServiceTokens:
    """A cache of tokens for calling other services. It renews a token before it expires."""

    RENEW_BEFORE = timedelta(seconds=20)

    def __init__(self, issue: Callable[[str], Awaitable[tuple[str, datetime]]]) -> None:
        """`issue(audience)` returns a token and the time at which it expires."""
        self._issue = issue
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._issuing = asyncio.Lock()

    async def for_audience(self, audience: str) -> str:
        """Return a token for calling the service `audience`. It is valid for at least 20 s more."""
        async with self._issuing:
            token, expires_at = self._tokens.get(audience, ("", datetime.now(UTC)))
            if expires_at - datetime.now(UTC) < self.RENEW_BEFORE:
                token, expires_at = await self._issue(audience)
                self._tokens[audience] = (token, expires_at)
            return token
