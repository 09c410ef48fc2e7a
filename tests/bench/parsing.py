"""Measures what it costs to read an upload of 10 MB in a confined child instead of in the process itself."""

import asyncio
import statistics
import time

from PIL import Image

from images.formats.header import Limits
from images.formats.parsers import Parsers
from images.formats.sniff import sniff
from tests.pixels import encoded

SIZE = (1850, 1800)
"""Noise of this size has about 10 MB as a PNG."""
LIMITS = Limits(50_000_000)


async def child_over_process(rounds: int) -> float:
    """Return the time to read a file of 10 MB in a child, divided by the time in this process."""
    parsers = Parsers(1)
    noise = [Image.effect_noise(SIZE, 200) for _ in range(3)]
    data = encoded(Image.merge("RGB", noise), "PNG")
    in_child, here = list[float](), list[float]()
    await parsers.walls(LIMITS)
    for _ in range(rounds):
        started = time.perf_counter()
        await parsers.read_header(data, LIMITS)
        in_child.append(time.perf_counter() - started)
        started = time.perf_counter()
        await asyncio.to_thread(sniff, data, largest_pixels=LIMITS.largest_pixels)
        here.append(time.perf_counter() - started)
    await parsers.aclose()
    return statistics.median(in_child) / statistics.median(here)
