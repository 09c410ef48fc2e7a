"""Signing keys of internal tokens. The newest signs; older ones verify until every token they signed has
expired.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
import sqlalchemy as sa
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from prometheus_client import Gauge
from sqlmodel import col, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.tables import SigningKey
from common.db import Sessions, now
from common.identity import ALGORITHM, ISSUER

TOKEN_SECONDS = 60
SERVICE_TOKEN_SECONDS = 300
VERIFIES_FOR = timedelta(seconds=SERVICE_TOKEN_SECONDS * 2)
LOOK_AGAIN_SECONDS = 30.0
ONE_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(hashtext('signing_key'))")

key_made_at = Gauge("loupe_signing_key_created_timestamp_seconds", "When the key was made that signs now")


class KeyRing:
    """The keys in memory, read again every half minute; `secret` decrypts them."""

    def __init__(self, sessions: Sessions, secret: str) -> None:
        self._sessions = sessions
        self._cipher = Fernet(base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()))
        self._keys: list[tuple[str, Ed25519PrivateKey]] = []
        self._read_at = float("-inf")

    async def sign(self, audience: str, subject: str, seconds: int, **claims: Any) -> str:
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
        """Public keys only (RFC 7517), read anew: who asks has seen a key that another replica made."""
        self.forget()
        keys = [_public(key_id, key) for key_id, key in await self._current()]
        return json.dumps({"keys": keys})

    async def rotate(self, session: AsyncSession) -> str:
        """A new key signs from now on."""
        connection = await session.connection()
        await connection.execute(ONE_AT_A_TIME)
        await session.exec(
            update(SigningKey).where(col(SigningKey.retired_at).is_(None)).values(retired_at=now())
        )
        return self._add(session).id

    def forget(self) -> None:
        """The next use reads the keys again."""
        self._read_at = float("-inf")

    async def _current(self) -> list[tuple[str, Ed25519PrivateKey]]:
        if time.monotonic() - self._read_at > LOOK_AGAIN_SECONDS:
            async with self._sessions.begin() as session:
                rows = await _live(session)
                if not rows:
                    connection = await session.connection()
                    await connection.execute(ONE_AT_A_TIME)
                    rows = await _live(session) or [self._add(session)]
            self._keys = [(row.id, self._private(row)) for row in rows]
            self._read_at = time.monotonic()
            key_made_at.set(rows[0].created_at.timestamp())
        return self._keys

    def _add(self, session: AsyncSession) -> SigningKey:
        private = Ed25519PrivateKey.generate().private_bytes_raw()
        row = SigningKey(id=secrets.token_hex(8), private_key=self._cipher.encrypt(private))
        session.add(row)
        return row

    def _private(self, row: SigningKey) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._cipher.decrypt(row.private_key))


async def _live(session: AsyncSession) -> list[SigningKey]:
    """The one that signs comes first."""
    still_verifies = or_(
        col(SigningKey.retired_at).is_(None), col(SigningKey.retired_at) > now() - VERIFIES_FOR
    )
    found = await session.exec(
        select(SigningKey)
        .where(still_verifies)
        .order_by(col(SigningKey.retired_at).desc().nulls_first(), col(SigningKey.created_at).desc())
    )
    return list(found.all())


def _public(key_id: str, key: Ed25519PrivateKey) -> Mapping[str, Any]:
    public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return public | {"kid": key_id, "use": "sig", "alg": ALGORITHM}
