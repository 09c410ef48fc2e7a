"""Measures how long files that are built to keep parsers busy take to be refused."""

import time

from common import errors
from images.formats.sniff import sniff
from tests.images.bombs import BOMBS

LARGEST_PIXELS = 50_000_000


def slowest_refusal_ms(rounds: int) -> float:
    """Return the processor time of the slowest refusal, each the fastest of several rounds."""
    return max(min(_refusal_ms(make()) for _ in range(rounds)) for make, _ in BOMBS.values())


def _refusal_ms(data: bytes) -> float:
    started = time.process_time()
    try:
        sniff(data, largest_pixels=LARGEST_PIXELS)
    except errors.InvalidArgument:
        return (time.process_time() - started) * 1000
    raise AssertionError("a bomb was accepted")
