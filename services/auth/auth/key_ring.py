"""The signing keys in memory, and the signing of internal tokens.

The key ring opens its own short transactions, because callers that verify a token have none open.
It reads the keys again every half minute, so that all replicas use the newest key soon after a rotation.
"""

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from prometheus_client import Gauge

from auth.domain import keys, second_factor
from auth.recording import record
from auth.tables import SigningKey
from common.db import Sessions
from common.identity import ALGORITHM, ISSUER

REREAD_SECONDS = 30.0

key_created_at = Gauge(
    "loupe_signing_key_created_timestamp_seconds", "Time at which the signing key was created"
)


class KeyRing:
    """A cache of the valid keys. `secret` encrypts them at rest. A `previous` one only decrypts them."""

    def __init__(self, sessions: Sessions, secret: str, *previous: str) -> None:
        self._sessions = sessions
        self._cipher = MultiFernet([_cipher(each) for each in (secret, *previous)])
        self._keys: list[tuple[str, Ed25519PrivateKey]] = []
        self._read_at = float("-inf")

    @property
    def cipher(self) -> MultiFernet:
        """The cipher for all secrets at rest, those of second factors included."""
        return self._cipher

    async def sign(self, audience: str, subject: str, seconds: int, **claims: Any) -> str:
        """Return a JWT for the service `audience` that expires after `seconds`."""
        key_id, key = (await self._current())[0]
        issued = int(time.time())
        payload = claims | {
            "sub": subject,
            "aud": audience,
            "iss": ISSUER,
            "iat": issued,
            "exp": issued + seconds,
        }
        return jwt.encode(payload, key, algorithm=ALGORITHM, headers={"kid": key_id})

    async def jwks(self) -> str:
        """Return the public keys as a JSON Web Key Set (RFC 7517).

        The keys are read from the database each time. A service calls this when a token names an unknown key,
        and another replica may have created that key a moment ago.
        """
        self.forget()
        return json.dumps({"keys": [_to_jwk(key_id, key) for key_id, key in await self._current()]})

    async def rotate(self) -> str:
        """Make a new key the signing key, and return its id.

        All secrets of second factors are encrypted again, so that a previous secret is needed no longer.
        """
        async with self._sessions.begin() as session:
            key_id = await keys.rotate(session, self._cipher)
            await second_factor.encrypt_again(session, self._cipher)
            await record(session, "signing_key.rotated", user_id=None, key_id=key_id)
        self.forget()
        return key_id

    def forget(self) -> None:
        """Drop the cache, so that the next use reads the keys from the database."""
        self._read_at = float("-inf")

    async def _current(self) -> list[tuple[str, Ed25519PrivateKey]]:
        if time.monotonic() - self._read_at > REREAD_SECONDS:
            async with self._sessions.begin() as session:
                rows = await keys.read_or_create(session, self._cipher)
            self._keys = [(row.id, self._decrypt(row)) for row in rows]
            self._read_at = time.monotonic()
            key_created_at.set(rows[0].created_at.timestamp())
        return self._keys

    def _decrypt(self, row: SigningKey) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._cipher.decrypt(row.private_key))


def _cipher(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()))


def _to_jwk(key_id: str, key: Ed25519PrivateKey) -> Mapping[str, Any]:
    public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return public | {"kid": key_id, "use": "sig", "alg": ALGORITHM}
