"""What a result takes at the worker, in a process of its own, whose largest size Linux counts."""

import subprocess
import sys

import pytest

from imagefile.formats import WRITABLE

LIMITS = WRITABLE["WEBP"].limits
WIDTH, HEIGHT, FACTOR = 2000, 1500, 4

CHILD = """
import asyncio, re, sys
from pathlib import Path
import numpy as np
from inference.picture import Picture
from inference.networks.registry import FAITHFUL
from inference.pipeline import RenderSpec, render
from inference.tiling.tiles import Tiling
from tests.inference.golden import nearest, slopes

def peak():
    return 1024 * int(re.search("VmHWM:\\\\s*(\\\\d+) kB", Path("/proc/self/status").read_text())[1])

async def main(file_format, width, height, factor):
    small = RenderSpec((128, 128), file_format, FAITHFUL.nets, Tiling())
    await render(Picture(slopes(64, 64, 3), "PNG"), small, nearest)
    before = peak()
    row = slopes(width, 1, 3)
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = row
    wish = RenderSpec((width * factor, height * factor), file_format, FAITHFUL.nets, Tiling())
    await render(Picture(pixels, "PNG", is_lossless=False), wish, nearest)
    print(peak() - before)

asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
"""


@pytest.mark.parametrize(("file_format", "times"), [("JPEG", 1), ("PNG", 1), ("TIFF", 1), ("WEBP", 2)])
def test_a_result_takes_no_more_than_it_may(file_format: str, times: int) -> None:
    """Three bytes a pixel of the original and six of the result, twice over for WebP: libwebp takes
    whole pictures, and keeps some of its own.
    """
    arguments = [file_format, *(str(number) for number in (WIDTH, HEIGHT, FACTOR))]

    told = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], check=True, capture_output=True, text=True
    )

    pixels = WIDTH * HEIGHT
    assert 0 < int(told.stdout) < times * (3 * pixels + 6 * pixels * FACTOR**2)


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
"""What of 1.5 GB is left when the worker itself is there."""


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
    """By what a smaller one takes for each pixel."""
    arguments = [kind, *(str(number) for number in (*size, channels, amplitude))]

    told = subprocess.run(
        [sys.executable, "-c", ENCODER, *arguments], check=True, capture_output=True, text=True
    )

    assert 0 < int(told.stdout) * most_pixels / (size[0] * size[1]) < MOST_BYTES
