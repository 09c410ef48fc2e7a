"""The memory that a worker needs for a result is limited. Linux reports the peak of a separate process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagefile.formats import WRITABLE

LIMITS = WRITABLE["WEBP"].limits
WIDTH, HEIGHT, FACTOR = 2000, 1500, 4
RUNS = 3
MODELS_FOLDER = Path(__file__).parents[2] / "services" / "inference" / "models"

RENDER = """
import asyncio, re, sys
from pathlib import Path
import numpy as np
from inference.picture import Picture
from inference.pipeline import render
from inference.render_spec import RenderSpec
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


def run_process(program: str, arguments: list[str]) -> int:
    """Return the bytes that the program prints."""
    environment = {**os.environ, "PYTHONPATH": str(MODELS_FOLDER)}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.parametrize(("file_format", "multiple"), [("JPEG", 1), ("PNG", 1), ("TIFF", 1), ("WEBP", 2)])
def test_a_result_needs_no_more_memory_than_its_limit(file_format: str, multiple: int) -> None:
    """The limit is three bytes per pixel of the original and six per pixel of the result.

    WebP may need twice as much, because libwebp works on whole pictures and needs memory of its own. The
    smallest of several runs counts: threads that meet by chance make the allocator open another arena.
    """
    arguments = [file_format, *(str(number) for number in (WIDTH, HEIGHT, FACTOR))]
    limit = multiple * (3 * WIDTH * HEIGHT + 6 * WIDTH * HEIGHT * FACTOR**2)

    peaks = [run_process(RENDER, arguments)]
    while min(peaks) >= limit and len(peaks) < RUNS:
        peaks.append(run_process(RENDER, arguments))

    assert 0 < min(peaks) < limit


ENCODE_NOISE = """
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
"""The part of 1.5 GB that the worker itself leaves."""


@pytest.mark.parametrize(
    ("kind", "size", "channels", "amplitude", "most_pixels"),
    [
        ("lossless", (2048, 2048), 3, 256, LIMITS.other_pixels),
        ("lossless", (2048, 2048), 4, 256, LIMITS.other_pixels),
        ("lossy", (2048, 2048), 4, 4, LIMITS.other_pixels),
        ("lossy", (8192, 4100), 3, 48, LIMITS.lossy_pixels),
    ],
)
def test_the_largest_webp_of_noise_needs_no_more_memory_than_its_limit(
    kind: str, size: tuple[int, int], channels: int, amplitude: int, most_pixels: int
) -> None:
    """The test measures a smaller picture and multiplies its bytes per pixel."""
    arguments = [kind, *(str(number) for number in (*size, channels, amplitude))]

    peak = run_process(ENCODE_NOISE, arguments)

    assert 0 < peak * most_pixels / (size[0] * size[1]) < MOST_BYTES


PYRAMID = """
import re, sys
from pathlib import Path
import numpy as np
from inference.picture import Header
from inference.previews.sides import SidePreviews

def peak():
    return 1024 * int(re.search("VmHWM:\\\\s*(\\\\d+) kB", Path("/proc/self/status").read_text())[1])

def make(width, height):
    side = SidePreviews("result", Header(width, height, 3), has_pyramid=True)
    for top in range(0, height, 128):
        side.write(np.full((128, width, 3), top % 256, np.uint8))
    side.finish()

width, height = map(int, sys.argv[1:])
make(640, 640)
before = peak()
make(width, height)
print(peak() - before)
"""


def test_previews_need_memory_for_a_few_rows_of_tiles() -> None:
    """One row of tiles of each level is in memory, in up to four forms: pieces, rows, strip and tiles."""
    limit = 4 * 2 * 4 * 512 * 16_384

    peak = run_process(PYRAMID, ["16384", "2048"])

    assert 0 < peak < limit
