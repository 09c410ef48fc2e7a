"""Secrets of webhooks: made, checked, encrypted at rest, and used to sign (Standard Webhooks 1.0)."""

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from cryptography.fernet import Fernet, MultiFernet
from standardwebhooks import Webhook

PREFIX = "whsec_"
NEW_SECRET_BYTES = 32
SHORTEST_SECRET_BYTES, LONGEST_SECRET_BYTES = 24, 64
"""Limits of the specification for secrets, in bytes before base64."""
SECRET_FORMAT = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}")


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(NEW_SECRET_BYTES)).decode()


def secret_problems(secret: str) -> list[str]:
    """Return what is wrong with a secret that a user chose."""
    if SECRET_FORMAT.fullmatch(secret):
        try:
            size = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True))
        except ValueError:
            size = 0
        if SHORTEST_SECRET_BYTES <= size <= LONGEST_SECRET_BYTES:
            return []
    sizes = f"{SHORTEST_SECRET_BYTES} to {LONGEST_SECRET_BYTES} bytes"
    return [f"The secret must be {PREFIX} and the base64 of {sizes}."]


class Cipher:
    """Encrypts secrets at rest. It uses the first key, and decrypts what any of the keys has encrypted."""

    def __init__(self, key: str, *previous: str) -> None:
        self._fernet = MultiFernet([_fernet(each) for each in (key, *previous)])

    def encrypt(self, secret: str) -> bytes:
        return self._fernet.encrypt(secret.encode())

    def decrypt(self, encrypted: bytes) -> str:
        """Return the secret. Raise `cryptography.fernet.InvalidToken` if its key is lost."""
        return self._fernet.decrypt(encrypted).decode()

    def encrypt_again(self, encrypted: bytes) -> bytes:
        """Return the same secret, encrypted with the first key."""
        return self._fernet.rotate(encrypted)


def signed_headers(signing: Sequence[str], event_id: str, sent_at: datetime, body: str) -> Mapping[str, str]:
    """Return the headers of Standard Webhooks, with a signature by each of the secrets."""
    signatures = (Webhook(secret).sign(event_id, sent_at, body) for secret in signing)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))
