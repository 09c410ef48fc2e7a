"""A host at which a user's links fail is left alone for a while."""

import itertools

from images.failing_hosts import MOST_IN_A_ROW, REST_SECONDS, FailingHosts

JANE, OMAR = 1, 2


def test_the_failures_of_one_user_count_for_no_other_and_end_with_a_success_or_after_a_minute() -> None:
    clock = itertools.count(0, 0.001)
    start, url = 0.0, "https://cats.example/tom.jpg"
    hosts = FailingHosts(lambda: start + next(clock))
    for _ in range(MOST_IN_A_ROW):
        hosts.note_failure(JANE, url)

    assert hosts.is_left_alone(JANE, "https://CATS.example/other.jpg")
    assert not hosts.is_left_alone(OMAR, url)
    assert not hosts.is_left_alone(JANE, "https://dogs.example/")
    start = REST_SECONDS
    assert not hosts.is_left_alone(JANE, url)
    for _ in range(MOST_IN_A_ROW):
        hosts.note_failure(JANE, url)
    assert hosts.is_left_alone(JANE, url)
    hosts.note_success(JANE, url)
    assert not hosts.is_left_alone(JANE, url)
