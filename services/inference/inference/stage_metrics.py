"""Measures how long each stage of a job takes."""

import contextlib
import time
from collections.abc import Generator

from prometheus_client import Histogram

stage_seconds = Histogram(
    "loupe_stage_seconds",
    "Time in each stage of a job",
    ["stage"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120),
)


@contextlib.contextmanager
def timed(stage: str) -> Generator[None]:
    started = time.perf_counter()
    yield
    stage_seconds.labels(stage).observe(time.perf_counter() - started)
