"""Signed texts in mails: JWTs (HS256) that name the user, the address and what they are for.

One that sets a password also bears the seal of the present one, so that it works until there is another.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta

import jwt

from common import errors
from common.db import now
from loupe import refusals

VALID = timedelta(minutes=60)


@dataclass(frozen=True, slots=True)
class Link:
    user_id: int
    email: str
    seal: str


def sign(secret: str, purpose: str, user_id: int, email: str, seal: str = "") -> str:
    claims = {"sub": str(user_id), "email": email, "aud": purpose, "exp": now() + VALID, "seal": seal}
    return jwt.encode(claims, secret, algorithm="HS256")


def read(secret: str, purpose: str, text: str) -> Link:
    """A link made for `purpose`; refused when altered or older than an hour."""
    try:
        claims = jwt.decode(text, secret, algorithms=["HS256"], audience=purpose)
    except jwt.PyJWTError as error:
        raise refused() from error
    return Link(int(claims["sub"]), str(claims["email"]), str(claims.get("seal", "")))


def seal_of(secret: str, password_hash: str) -> str:
    """Tells one password from the next, and nothing about either."""
    return hmac.new(secret.encode(), f"password {password_hash}".encode(), hashlib.sha256).hexdigest()


def refused() -> errors.ServiceError:
    return errors.refused(refusals.INVALID_SIGNATURE)
