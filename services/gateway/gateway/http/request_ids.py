"""The id of a request. It is in the answer and in every log line about the request."""

import random
import re
from collections.abc import Mapping

VALID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def request_id_of(headers: Mapping[bytes, bytes]) -> str:
    """Return the id that the client sent if it is valid, else a new one."""
    sent = headers.get(b"x-request-id", b"")
    return sent.decode() if VALID.fullmatch(sent) else f"{random.getrandbits(128):032x}"
