"""Refuses compressed bodies. The size of what they inflate to is unknown before they are read."""

from starlette.requests import Request

from common import errors
from gateway.http.errors import UNSUPPORTED_ENCODING

LONGEST_SHOWN = 40


def check_encoding(request: Request) -> None:
    """Raise if the body has a `Content-Encoding` other than `identity`. Call it before reading the body."""
    for value in request.headers.getlist("content-encoding"):
        for name in (part.strip() for part in value.split(",")):
            if name and name.lower() != "identity":
                raise errors.refused(UNSUPPORTED_ENCODING, encoding=name[:LONGEST_SHOWN])
