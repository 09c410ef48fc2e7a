"""The same seed gives the same faults; each fault comes early once, and reaches all its targets."""

from collections.abc import Sequence
from itertools import islice
from typing import cast

from tests.chaos.kinds import Fault, Strike
from tests.chaos.plan import Step, steps
from tests.chaos.world import World


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    return [chosen.component]


NO_WORLD = cast("World", None)
FAULTS = [
    Fault(name="common", weight=9, targets=lambda _: ("a", "b", "c"), strike=strike),
    Fault(name="rare", weight=1, targets=lambda _: ("d",), strike=strike, longest_seconds=30),
    Fault(name="impossible here", weight=9, targets=lambda _: (), strike=strike),
]


def drawn(seed: int, count: int, longest_seconds: float = 30) -> list[Step]:
    found = steps(NO_WORLD, FAULTS, seed, longest_seconds=longest_seconds, longest_pause=4)
    return [*islice(found, count)]


def test_a_seed_always_gives_the_same_steps() -> None:
    assert drawn(1, 50) == drawn(1, 50)
    assert drawn(1, 50) != drawn(2, 50)


def test_the_first_steps_are_one_of_each_fault_that_is_possible() -> None:
    assert {step.fault.name for step in drawn(3, 2)} == {"common", "rare"}


def test_a_fault_strikes_all_its_targets_before_it_repeats_one() -> None:
    targets = [step.strike.component for step in drawn(4, 60) if step.fault.name == "common"]

    for first in range(0, len(targets) - 3, 3):
        assert {*targets[first : first + 3]} == {"a", "b", "c"}


def test_no_fault_lasts_longer_than_the_run_allows() -> None:
    assert max(step.strike.seconds for step in drawn(5, 60, longest_seconds=4)) <= 4
    assert {step.strike.seconds for step in drawn(5, 60) if step.fault.name == "common"} == {0}
