"""The connections between two components stay open, but nothing passes. Later they are reset."""

import asyncio
from collections.abc import Sequence

from tests.chaos.kinds import Fault, Strike
from tests.chaos.link import Disturbance
from tests.chaos.world import World


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    link = world.links[chosen.component]
    link.disturb(Disturbance(is_half_open=True))
    await asyncio.sleep(chosen.seconds)
    link.heal()
    return []


FAULT = Fault(
    name="half-open connections",
    weight=4,
    targets=lambda world: tuple(world.links),
    strike=strike,
    longest_seconds=30,
)
