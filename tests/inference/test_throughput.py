"""The throughput that a worker announces counts results and the time with work."""

import contextlib

import pytest

from inference.throughput import TIME_CONSTANT_SECONDS, Throughput


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def work(
    throughput: Throughput,
    clock: Clock,
    seconds: float,
    *,
    pixels: int,
    kind: str = "",
    megapixels: float = 0.0,
    written: float | None = None,
) -> None:
    with throughput.working() as share:
        clock.now += seconds
        throughput.add_result(share, pixels, kind, megapixels, written)


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

    with throughput.working() as first, throughput.working() as second:
        clock.now += 2
        throughput.add_result(first, 4_000_000, "quick", 4)
        throughput.add_result(second, 4_000_000, "quick", 4)

    assert throughput.megapixels_per_second == pytest.approx(4, rel=0.01)
    assert throughput.speeds == {"quick": pytest.approx(4, rel=0.01)}


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


def test_each_kind_of_work_has_its_own_speed() -> None:
    clock = Clock()
    throughput = Throughput(clock)

    work(throughput, clock, 2, pixels=1_000_000, kind="slow", megapixels=4)
    work(throughput, clock, 1, pixels=1_000_000, kind="quick", megapixels=16)

    assert throughput.speeds == {"slow": pytest.approx(2), "quick": pytest.approx(16)}


def test_jobs_of_different_kinds_share_the_time_that_both_run() -> None:
    clock = Clock()
    throughput = Throughput(clock)

    with throughput.working() as slow:
        with throughput.working() as quick:
            clock.now += 2
            throughput.add_result(quick, 1_000_000, "quick", 4)
        clock.now += 3
        throughput.add_result(slow, 1_000_000, "slow", 4)

    assert throughput.speeds == {"quick": pytest.approx(4, rel=0.02), "slow": pytest.approx(1, rel=0.02)}


def test_small_jobs_show_the_time_beside_the_pixels_and_do_not_lower_the_speed() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    work(throughput, clock, 10, pixels=1_000_000, kind="photo", megapixels=20)

    for _ in range(20):
        work(throughput, clock, 0.25, pixels=400, kind="photo", megapixels=0.1)
    work(throughput, clock, 10.2, pixels=1_000_000, kind="photo", megapixels=20)

    assert throughput.seconds_per_job == pytest.approx(0.2, rel=0.05)
    assert throughput.speeds == {"photo": pytest.approx(2, rel=0.05)}


def test_an_order_of_the_previous_release_counts_only_among_all_jobs() -> None:
    clock = Clock()
    throughput = Throughput(clock)

    work(throughput, clock, 2, pixels=4_000_000)

    assert (throughput.speeds, throughput.seconds_per_job) == ({}, None)


@pytest.mark.parametrize("position", range(5))
def test_single_slow_jobs_do_not_change_the_speed_of_their_kind(position: int) -> None:
    """The fallback network replaces most of the result of one picture in five."""
    clock = Clock()
    throughput = Throughput(clock)

    for number in range(10):
        seconds = 20 if number % 5 == position else 2
        work(throughput, clock, seconds, pixels=1_000_000, kind="photo", megapixels=4)

    assert throughput.speeds == {"photo": pytest.approx(2)}


def test_the_speed_follows_when_most_jobs_become_slower() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    for seconds in [2] * 20 + [8] * 5:
        work(throughput, clock, seconds, pixels=1_000_000, kind="photo", megapixels=4)

    assert throughput.speeds == {"photo": pytest.approx(0.5)}


@pytest.mark.parametrize("written", [0.0, 1.9])
@pytest.mark.parametrize("megapixels", [4.0, 0.2])
def test_a_job_that_networks_did_not_do_shows_no_speed(written: float, megapixels: float) -> None:
    """Pixel art, a picture of one colour, or an animation whose frames repeat."""
    clock = Clock()
    throughput = Throughput(clock)
    work(throughput, clock, 2, pixels=1_000_000, kind="photo", megapixels=4, written=4.5)

    for _ in range(20):
        share = written * megapixels / 4
        work(throughput, clock, 0.1, pixels=10, kind="photo", megapixels=megapixels, written=share)

    assert throughput.speeds == {"photo": pytest.approx(2)}
    assert throughput.seconds_per_job is None


def test_a_model_without_networks_has_a_speed() -> None:
    clock = Clock()
    throughput = Throughput(clock)

    work(throughput, clock, 2, pixels=1_000_000, kind="pixel/x4/lossless", megapixels=16)

    assert throughput.speeds == {"pixel/x4/lossless": pytest.approx(8)}
