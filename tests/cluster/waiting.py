"""Waits for what the controllers of a cluster do by themselves."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
SECONDS = 90.0
LOOK_SECONDS = 0.3


def until(look: Callable[[], T], what: str, seconds: float = SECONDS) -> T:
    """Look until the result is true, and return it. Fail with `what` did not happen."""
    deadline = time.monotonic() + seconds
    while not (result := look()):
        assert time.monotonic() < deadline, f"in {seconds:.0f} s it did not happen that {what}"
        time.sleep(LOOK_SECONDS)
    return result
