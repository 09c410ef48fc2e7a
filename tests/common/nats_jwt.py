"""Makes what `nsc` makes: an operator, an account and a user of NATS, whose JWTs sign each other."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0, 20 << 3, 18 << 3
"""The first letters of encoded keys: O, A, U and S."""


@dataclass(frozen=True)
class Identity:
    """A key pair of a kind, such as a user."""

    kind: int
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> str:
        return _encoded(bytes([self.kind]) + self.key.public_key().public_bytes_raw())

    @property
    def seed(self) -> str:
        prefix = bytes([SEED | self.kind >> 5, (self.kind & 31) << 3])
        return _encoded(prefix + self.key.private_bytes_raw())

    def sign(self, subject: "Identity", kind: str, **claims: Any) -> str:
        """Return a JWT about the subject."""
        about = {"type": kind, "version": 2, **claims}
        body = {
            "jti": "1",
            "iat": 0,
            "iss": self.public,
            "sub": subject.public,
            "name": kind,
            "nats": about,
        }
        text = f"{_part({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_part(body)}"
        return f"{text}.{_text(self.key.sign(text.encode()))}"


def server_settings(operator: Identity, account: Identity) -> str:
    """Return the lines of a server's configuration that trust the operator and know the account."""
    limits = dict.fromkeys(("subs", "data", "payload", "conn", "leaf", "imports", "exports"), -1)
    about_account = operator.sign(account, "account", limits=limits | {"wildcards": True})
    return f"""
operator: {operator.sign(operator, "operator")}
resolver: MEMORY
resolver_preload: {{ {account.public}: {about_account} }}
"""


def write_credentials(path: Path, account: Identity, user: Identity, **permissions: Any) -> None:
    """Write a user's credentials file."""
    unlimited: dict[str, Any] = {"subs": -1, "data": -1, "payload": -1}
    jwt = account.sign(user, "user", **unlimited, **permissions)
    path.write_text(
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )


def _encoded(raw: bytes) -> str:
    checked = raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(checked).decode().rstrip("=")


def _part(content: Any) -> str:
    return _text(json.dumps(content).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
