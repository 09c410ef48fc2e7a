"""How fast a worker says it is."""

import contextlib

import pytest

from inference.throughput import MEMORY_SECONDS, Throughput


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def worked(pace: Throughput, clock: Clock, seconds: float, *, pixels: int) -> None:
    with pace.working():
        clock.now += seconds
        pace.made(pixels)


def test_before_its_first_result_a_worker_knows_none() -> None:
    clock = Clock()
    pace = Throughput(clock)

    with pace.working():
        clock.now += 10
        assert pace.megapixels_per_second is None


def test_the_time_without_work_does_not_count() -> None:
    clock = Clock()
    pace = Throughput(clock)

    worked(pace, clock, 2, pixels=4_000_000)
    clock.now += 1000
    worked(pace, clock, 2, pixels=4_000_000)
    clock.now += 1000

    assert pace.megapixels_per_second == pytest.approx(2, rel=0.01)


def test_jobs_at_the_same_time_share_the_seconds() -> None:
    clock = Clock()
    pace = Throughput(clock)

    with pace.working(), pace.working():
        clock.now += 2
        pace.made(4_000_000)
        pace.made(4_000_000)

    assert pace.megapixels_per_second == pytest.approx(4, rel=0.01)


def test_what_was_long_ago_counts_less() -> None:
    clock = Clock()
    pace = Throughput(clock)
    worked(pace, clock, 10, pixels=100_000_000)

    for _ in range(30):
        worked(pace, clock, MEMORY_SECONDS / 10, pixels=int(MEMORY_SECONDS / 10 * 1e6))

    assert pace.megapixels_per_second == pytest.approx(1, rel=0.1)


def test_a_job_that_fails_takes_time_and_makes_nothing() -> None:
    clock = Clock()
    pace = Throughput(clock)
    worked(pace, clock, 1, pixels=2_000_000)

    with contextlib.suppress(ValueError), pace.working():
        clock.now += 1
        raise ValueError

    assert pace.megapixels_per_second == pytest.approx(1, rel=0.01)
