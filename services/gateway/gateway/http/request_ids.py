"""The id of a request, which is in its answer and in every line that is logged about it."""

import random
import re
from collections.abc import Mapping

SANE = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def of(headers: Mapping[bytes, bytes]) -> str:
    """The one that the client has sent where it is sane, else a new one."""
    sent = headers.get(b"x-request-id", b"")
    return sent.decode() if SANE.fullmatch(sent) else f"{random.getrandbits(128):032x}"
