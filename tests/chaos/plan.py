"""Draws the faults of a run from its seed: which, on what, for how long, and after which pause."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos.kinds import Fault, Strike

if TYPE_CHECKING:
    from tests.chaos.world import World

SHORTEST_STRIKE = 2.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """`pause` seconds after the step before, the fault strikes."""

    pause: float
    fault: Fault
    strike: Strike


def steps(
    world: "World", faults: Sequence[Fault], seed: int, *, longest_seconds: float, longest_pause: float
) -> Iterator[Step]:
    """Yield steps without end. Each fault goes through all its targets before it repeats one.

    The first steps are one of each fault, so that a short run has all kinds too.
    """
    chosen = random.Random(seed)
    usable = [fault for fault in faults if fault.targets(world)]
    targets = {fault.name: _in_turn(fault.targets(world), chosen) for fault in usable}
    firsts = chosen.sample(usable, len(usable))
    weights = [fault.weight for fault in usable]
    rest = (chosen.choices(usable, weights)[0] for _ in itertools.count())
    for fault in itertools.chain(firsts, rest):
        longest = min(fault.longest_seconds, longest_seconds)
        strike = Strike(
            component=next(targets[fault.name]),
            seconds=chosen.uniform(min(SHORTEST_STRIKE, longest), longest),
            choice=chosen.randrange(1000),
        )
        yield Step(pause=chosen.uniform(0, longest_pause), fault=fault, strike=strike)


def _in_turn(targets: Sequence[str], chosen: random.Random) -> Iterator[str]:
    while True:
        yield from chosen.sample(targets, len(targets))
