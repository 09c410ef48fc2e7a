"""Measures how long each stage of a job takes, and how many pixels a worker reads and writes."""

import contextlib
import time
from collections.abc import Generator

from prometheus_client import Counter, Histogram

from imagefile.formats import Format, keeps_all
from imagefile.tiff_pages import enlarged
from inference.picture import Animation, Pages, Picture, Size

stage_seconds = Histogram(
    "loupe_stage_seconds",
    "Time in each stage of a job",
    ["stage"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120),
)
pixels = Counter("loupe_pixels_total", "Pixels of images that were upscaled", ["direction"])


@contextlib.contextmanager
def timed(stage: str) -> Generator[None]:
    started = time.perf_counter()
    yield
    stage_seconds.labels(stage).observe(time.perf_counter() - started)


def count_pixels(original: Picture | Animation | Pages, file_format: Format, size: Size) -> None:
    """Count an original, and its result of this format and size."""
    if isinstance(original, Picture):
        pictures = [original]
    else:
        pictures = original.pages if isinstance(original, Pages) else original.frames
    if not keeps_all(file_format, pictures[0].source_format):
        pictures = pictures[:1]
    first = pictures[0].size
    for picture in pictures:
        width, height = enlarged(picture.size, first, size)
        pixels.labels("in").inc(picture.width * picture.height)
        pixels.labels("out").inc(width * height)
