"""The signed part of links in mails: a JWT (HS256) with the user, the address and the purpose.

A link that resets a password also holds a seal of the current password, so that it works only once.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta

import jwt

from common import errors
from common.db import now
from loupe import refusals

VALID_FOR = timedelta(minutes=60)


@dataclass(frozen=True, slots=True)
class Link:
    """The claims of a signed text that was valid. `seal` is empty for links that verify an address."""

    user_id: int
    email: str
    seal: str
    secret: str
    """The secret that signed the link."""


def sign(
    secret: str, purpose: str, user_id: int, email: str, seal: str = "", *, valid_for: timedelta = VALID_FOR
) -> str:
    claims = {"sub": str(user_id), "email": email, "aud": purpose, "exp": now() + valid_for, "seal": seal}
    return jwt.encode(claims, secret, algorithm="HS256")


def read(secret: str, purpose: str, text: str, *previous: str) -> Link:
    """Return the claims of a text made for `purpose`. Refuse if it was altered or has expired.

    It may have been signed with one of the `previous` secrets.
    """
    for each in (secret, *previous):
        try:
            claims = jwt.decode(text, each, algorithms=["HS256"], audience=purpose)
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as error:
            raise invalid_link() from error
        return Link(int(claims["sub"]), str(claims["email"]), str(claims.get("seal", "")), each)
    raise invalid_link()


def seal_of(secret: str, password_hash: str) -> str:
    """Return a text that changes with the password and reveals nothing about it."""
    return hmac.new(secret.encode(), f"password {password_hash}".encode(), hashlib.sha256).hexdigest()


def invalid_link() -> errors.ServiceError:
    return errors.refused(refusals.INVALID_SIGNATURE)
