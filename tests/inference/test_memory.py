"""The memory that a result takes at the worker, as the peak of a separate process that Linux measures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagefile.formats import WRITABLE

LIMITS = WRITABLE["WEBP"].limits
WIDTH, HEIGHT, FACTOR = 2000, 1500, 4
BUILDER = Path(__file__).parents[2] / "services" / "inference" / "models"

CHILD = """
import asyncio, re, sys
from pathlib import Path
import numpy as np
from inference.picture import Picture
from inference.pipeline import RenderSpec, render
from inference.tiling.tiles import Tiling
from tests.inference.built_models import FAITHFUL
from tests.inference.golden import nearest, slopes

def peak():
    return 1024 * int(re.search("VmHWM:\\\\s*(\\\\d+) kB", Path("/proc/self/status").read_text())[1])

async def main(file_format, width, height, factor):
    small = RenderSpec((128, 128), file_format, FAITHFUL.networks, Tiling())
    await render(Picture(slopes(64, 64, 3), "PNG"), small, nearest)
    before = peak()
    row = slopes(width, 1, 3)
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = row
    spec = RenderSpec((width * factor, height * factor), file_format, FAITHFUL.networks, Tiling())
    await render(Picture(pixels, "PNG", is_lossless=False), spec, nearest)
    print(peak() - before)

asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
"""


def run_child(program: str, arguments: list[str]) -> int:
    """Return the bytes that the program prints."""
    environment = {**os.environ, "PYTHONPATH": str(BUILDER)}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.parametrize(("file_format", "times"), [("JPEG", 1), ("PNG", 1), ("TIFF", 1), ("WEBP", 2)])
def test_a_result_takes_no_more_than_it_may(file_format: str, times: int) -> None:
    """The limit is three bytes a pixel of the original and six of the result.

    WebP may take twice as much, because libwebp needs whole pictures and memory of its own.
    """
    arguments = [file_format, *(str(number) for number in (WIDTH, HEIGHT, FACTOR))]

    peak = run_child(CHILD, arguments)

    pixels = WIDTH * HEIGHT
    assert 0 < peak < times * (3 * pixels + 6 * pixels * FACTOR**2)


ENCODER = """
import re, sys
from pathlib import Path
import numpy as np
from inference.picture import Header
from inference.encoding.options import Options
from inference.encoding.webp import Writer

def peak():
    return 1024 * int(re.search("VmHWM:\\\\s*(\\\\d+) kB", Path("/proc/self/status").read_text())[1])

width, height, channels, amplitude = map(int, sys.argv[2:])
noise = np.random.default_rng(1).integers(0, amplitude, (height, width, channels), np.uint8)
Writer(Header(8, 8, 3), Options()).finish()
before = peak()
writer = Writer(Header(width, height, channels), Options(is_lossless=sys.argv[1] == "lossless"))
for top in range(0, height, 256):
    writer.write(noise[top : top + 256])
writer.finish()
print(peak() - before)
"""
MOST_BYTES = 1_400_000_000
"""The rest of 1.5 GB beside the worker itself."""


@pytest.mark.parametrize(
    ("kind", "size", "channels", "amplitude", "most_pixels"),
    [
        ("lossless", (2048, 2048), 3, 256, LIMITS.other_pixels),
        ("lossless", (2048, 2048), 4, 256, LIMITS.other_pixels),
        ("lossy", (2048, 2048), 4, 4, LIMITS.other_pixels),
        ("lossy", (8192, 4100), 3, 48, LIMITS.lossy_pixels),
    ],
)
def test_the_largest_webp_of_noise_takes_no_more_than_it_may(
    kind: str, size: tuple[int, int], channels: int, amplitude: int, most_pixels: int
) -> None:
    """Computed from the bytes that a smaller picture takes for each pixel."""
    arguments = [kind, *(str(number) for number in (*size, channels, amplitude))]

    peak = run_child(ENCODER, arguments)

    assert 0 < peak * most_pixels / (size[0] * size[1]) < MOST_BYTES
