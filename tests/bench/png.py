"""Compares Loupe's PNG encoder with Pillow's default, on an enlarged photo."""

import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from inference.encoding.writer import open_writer
from inference.picture import Picture
from tests.pixels import encoded, opened

PHOTO = Path(__file__).parents[2] / "docs" / "photos" / "astronaut.png"
SIDE = 2048


def speed_and_size_over_pillow(rounds: int) -> tuple[float, float]:
    """Return how many times faster Loupe's encoder is, and how many times larger its file."""
    photo = Image.open(PHOTO).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    pixels = np.asarray(photo)
    ours, theirs = list[float](), list[float]()
    data = reference = b""
    for _ in range(rounds):
        started = time.perf_counter()
        picture = Picture(pixels=pixels, source_format="PNG")
        writer = open_writer("PNG", picture.header(picture.size))
        writer.write(pixels)
        data = writer.finish()
        between = time.perf_counter()
        reference = encoded(photo, "PNG")
        ours.append(between - started)
        theirs.append(time.perf_counter() - between)
    assert np.array_equal(np.asarray(opened(data)), pixels)
    return statistics.median(theirs) / statistics.median(ours), len(data) / len(reference)
