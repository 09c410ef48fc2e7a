"""The throughput that a worker announces counts results and the time with work."""

import contextlib

import pytest

from inference.throughput import TIME_CONSTANT_SECONDS, Throughput


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def work(throughput: Throughput, clock: Clock, seconds: float, *, pixels: int) -> None:
    with throughput.working():
        clock.now += seconds
        throughput.add_result(pixels)


def test_there_is_no_throughput_before_the_first_result() -> None:
    clock = Clock()
    throughput = Throughput(clock)

    with throughput.working():
        clock.now += 10
        assert throughput.megapixels_per_second is None


def test_idle_time_does_not_count() -> None:
    clock = Clock()
    throughput = Throughput(clock)

    work(throughput, clock, 2, pixels=4_000_000)
    clock.now += 1000
    work(throughput, clock, 2, pixels=4_000_000)
    clock.now += 1000

    assert throughput.megapixels_per_second == pytest.approx(2, rel=0.01)


def test_the_seconds_of_parallel_jobs_count_once() -> None:
    clock = Clock()
    throughput = Throughput(clock)

    with throughput.working(), throughput.working():
        clock.now += 2
        throughput.add_result(4_000_000)
        throughput.add_result(4_000_000)

    assert throughput.megapixels_per_second == pytest.approx(4, rel=0.01)


def test_old_results_count_less() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    work(throughput, clock, 10, pixels=100_000_000)

    for _ in range(30):
        work(throughput, clock, TIME_CONSTANT_SECONDS / 10, pixels=int(TIME_CONSTANT_SECONDS / 10 * 1e6))

    assert throughput.megapixels_per_second == pytest.approx(1, rel=0.1)


def test_a_failed_job_takes_time_and_adds_no_result() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    work(throughput, clock, 1, pixels=2_000_000)

    with contextlib.suppress(ValueError), throughput.working():
        clock.now += 1
        raise ValueError

    assert throughput.megapixels_per_second == pytest.approx(1, rel=0.01)
