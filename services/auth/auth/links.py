"""Signed texts in mails: JWTs (HS256) that name the user, the address and what they are for."""

from datetime import timedelta

import jwt

from common import errors
from common.db import now

VALID = timedelta(minutes=60)


def sign(secret: str, purpose: str, user_id: int, email: str) -> str:
    claims = {"sub": str(user_id), "email": email, "aud": purpose, "exp": now() + VALID}
    return jwt.encode(claims, secret, algorithm="HS256")


def read(secret: str, purpose: str, text: str) -> tuple[int, str]:
    """User id and address of a link made for `purpose`; refused when altered or older than an hour."""
    try:
        claims = jwt.decode(text, secret, algorithms=["HS256"], audience=purpose)
    except jwt.PyJWTError as error:
        raise errors.PermissionDenied(
            "This link is invalid or has expired.", reason="invalid_signature"
        ) from error
    return int(claims["sub"]), str(claims["email"])
