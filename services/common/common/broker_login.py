"""Logs a service in to NATS by a credentials file or a certificate, beside the password in its URL.

A credentials file holds the user's JWT and the seed of its key, as `nsc` writes them. The file and the
certificate are read again for each connection, so that renewed ones need no restart.
"""

import base64
import functools
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common import log

LOG = log.get(__name__)
BLOCK = re.compile(r"-{3,}BEGIN [A-Z ]+-{3,}\s+(\S+)\s+-{3,}END")
SEED = slice(2, 34)
"""A decoded seed has two bytes for the kind of key in front, and a checksum behind."""


class UnusableCredentials(ValueError):
    """The credentials file does not hold a JWT and a seed. The message names the file, and no content."""


@dataclass(frozen=True, slots=True)
class BrokerLogin:
    """Files for the login. Each may be None; certificate and key belong together."""

    credentials: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def options(self) -> dict[str, Any]:
        """Return options for `nats.connect`. Raise `OSError` or `ValueError` if a file cannot be used."""
        found: dict[str, Any] = {}
        if self.credentials:
            _read_credentials(self.credentials)
            found |= {
                "user_jwt_cb": functools.partial(_jwt, self.credentials),
                "signature_cb": functools.partial(_sign, self.credentials),
            }
        if self.certificate:
            found["tls"] = self._context()
        return found

    def address(self, url: str) -> str:
        """Return the URL without a user that has no password: NATS would take the name for a token."""
        parts = urlsplit(url)
        if parts.password or not (self.credentials or self.certificate):
            return url
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def renewer(self, options: dict[str, Any]) -> Callable[[], None]:
        """Return a function that lets the next connection use the certificate that the files hold then."""

        def renew() -> None:
            context: ssl.SSLContext | None = options.get("tls")
            try:
                if context and self.certificate:
                    context.load_cert_chain(self.certificate, self.key)
            except (OSError, ValueError) as error:
                LOG.warning(
                    "certificate for the broker not read",
                    certificate=str(self.certificate),
                    error=log.error_text(error),
                    action="using the former one",
                )

        return renew

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context


def _jwt(file: Path) -> bytearray:
    return bytearray(_read_credentials(file)[0].encode())


def _sign(file: Path, nonce: str) -> bytes:
    _, key = _read_credentials(file)
    return base64.b64encode(key.sign(nonce.encode()))


def _read_credentials(file: Path) -> tuple[str, Ed25519PrivateKey]:
    blocks = BLOCK.findall(file.read_text())
    try:
        jwt, seed = blocks
        decoded = base64.b32decode(seed + "=" * (-len(seed) % 8))
        return jwt, Ed25519PrivateKey.from_private_bytes(decoded[SEED])
    except ValueError:
        raise UnusableCredentials(
            f"{file} is no credentials file of NATS: it must hold the user's JWT and its seed"
        ) from None
