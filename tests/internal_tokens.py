"""Signs internal tokens with a key of the test, and publishes the key set that a verifier fetches."""

import base64
import json
import secrets
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from common.channel import TokenSource
from common.identity import ALGORITHM, ISSUER

VALID_SECONDS = 6 * 3600
"""Longer than any test run, because some tokens are made once for all tests of a process."""


class TokenIssuer:
    """A replacement for auth's signing keys. `fetches` counts how often the key set was read."""

    def __init__(self) -> None:
        self.published: dict[str, Ed25519PrivateKey] = {}
        self.fetches = 0
        self.key_id = self.rotate()

    def rotate(self, *, publish: bool = True) -> str:
        """Sign with a new key from now on. Return its id."""
        self.key_id = secrets.token_hex(4)
        self.key = Ed25519PrivateKey.generate()
        if publish:
            self.published[self.key_id] = self.key
        return self.key_id

    async def jwks(self) -> str:
        self.fetches += 1
        keys = [
            OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "alg": ALGORITHM}
            for key_id, key in self.published.items()
        ]
        return json.dumps({"keys": keys})

    def user(self, user_id: int = 7, *abilities: str, audience: str = "images", **claims: Any) -> str:
        """Return a token of a user. Claims replace the usual ones. A claim that is None is left out."""
        usual = {"sub": str(user_id), "token_id": 70, "abilities": list(abilities), "verified": True}
        return self._sign(audience, **(usual | claims))

    def service(self, name: str, audience: str = "images", **claims: Any) -> str:
        """Return a token of the service `name`. A claim that is None is left out."""
        return self._sign(audience, **({"sub": f"service:{name}"} | claims))

    def _sign(self, audience: str, **claims: Any) -> str:
        issued = int(time.time())
        usual = {"aud": audience, "iss": ISSUER, "iat": issued, "exp": issued + VALID_SECONDS}
        payload = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(payload, self.key, algorithm=ALGORITHM, headers={"kid": self.key_id})


def unsigned(token: str, **headers: str) -> str:
    """Return a token with the same claims and the algorithm `none`."""
    header = {"alg": "none", "typ": "JWT"} | headers
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return f"{encoded}.{token.split('.')[1]}."


def always(token: str) -> TokenSource:
    """Return a token source for a `Channel` that always returns this token."""

    async def source() -> str:
        return token

    return source
