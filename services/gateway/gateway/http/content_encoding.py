"""Refuses compressed bodies. The size of what they inflate to is unknown before they are read."""

from multipart import MultipartSegment
from starlette.requests import Request

from common import errors
from gateway.http.errors import UNSUPPORTED_ENCODING

LONGEST_SHOWN = 40
AS_IT_IS = ("7bit", "8bit", "binary")
"""Values of Content-Transfer-Encoding that change no byte (RFC 2045, 6.1)."""
PART_REFUSAL = UNSUPPORTED_ENCODING._replace(
    text="A file may not have the {name} {encoding}: send it as it is."
)


def check_encoding(request: Request) -> None:
    """Raise if the body has a `Content-Encoding` other than `identity`. Call it before reading the body."""
    for value in request.headers.getlist("content-encoding"):
        for name in (part.strip() for part in value.split(",")):
            if name and name.lower() != "identity":
                raise errors.refused(UNSUPPORTED_ENCODING, encoding=name[:LONGEST_SHOWN])


def check_part_encoding(segment: MultipartSegment) -> None:
    """Raise if a part of a form is compressed, or written as base64 or the like (RFC 7578, 4.7)."""
    for name, allowed in (("Content-Encoding", ("identity",)), ("Content-Transfer-Encoding", AS_IT_IS)):
        value = str(segment.header(name, "")).strip()
        if value and value.lower() not in allowed:
            raise errors.refused(PART_REFUSAL, name=name, encoding=value[:LONGEST_SHOWN])
