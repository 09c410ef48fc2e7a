"""Measures how much processor time it takes to find out whether a JPEG of 10 MB is complete."""

import statistics
import time

from PIL import Image

from imagefile import jpeg_pixels, jpeg_scans
from tests.pixels import encoded

SIZE = (4096, 3072)
QUALITY = 93
"""Noise of this size and quality has about 10 MB."""


def milliseconds(rounds: int, *, progressive: bool = False) -> float:
    """Return the processor time for 10 MB."""
    noise = Image.effect_noise(SIZE, 60).convert("RGB")
    data = encoded(noise, quality=QUALITY, progressive=progressive)
    found = list[float]()
    for _ in range(rounds):
        started = time.thread_time()
        assert jpeg_scans.is_complete(data)
        assert jpeg_pixels.are_complete(data)
        found.append(time.thread_time() - started)
    return statistics.median(found) * 1000 * 10_000_000 / len(data)
