"""What a result takes at the worker, in a process of its own, whose largest size Linux counts."""

import subprocess
import sys

import pytest

WIDTH, HEIGHT, FACTOR = 2000, 1500, 4

CHILD = """
import asyncio, re, sys
from pathlib import Path
import numpy as np
from inference.picture import Picture
from inference.registry import FAITHFUL
from inference.render import Wish, render
from inference.tiles import Tiling
from tests.inference.golden import nearest, slopes

def peak():
    return 1024 * int(re.search("VmHWM:\\\\s*(\\\\d+) kB", Path("/proc/self/status").read_text())[1])

async def main(file_format, width, height, factor):
    small = Wish((128, 128), file_format, FAITHFUL.nets, Tiling())
    await render(Picture(slopes(64, 64, 3), "PNG"), small, nearest)
    before = peak()
    row = slopes(width, 1, 3)
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = row
    wish = Wish((width * factor, height * factor), file_format, FAITHFUL.nets, Tiling())
    await render(Picture(pixels, "PNG", is_lossless=False), wish, nearest)
    print(peak() - before)

asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
"""


@pytest.mark.parametrize(("file_format", "times"), [("JPEG", 1), ("PNG", 1), ("TIFF", 1), ("WEBP", 3)])
def test_a_result_takes_no_more_than_it_may(file_format: str, times: int) -> None:
    """Three bytes a pixel of the original and six of the result, three times over for WebP: libwebp takes
    whole pictures, and keeps some of its own.
    """
    arguments = [file_format, *(str(number) for number in (WIDTH, HEIGHT, FACTOR))]

    told = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], check=True, capture_output=True, text=True
    )

    pixels = WIDTH * HEIGHT
    assert 0 < int(told.stdout) < times * (3 * pixels + 6 * pixels * FACTOR**2)
