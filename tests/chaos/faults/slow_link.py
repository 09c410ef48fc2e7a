"""The bytes between two components take long."""

import asyncio
from collections.abc import Sequence

from tests.chaos.kinds import Fault, Strike
from tests.chaos.link import Disturbance
from tests.chaos.world import World

LATENCIES = (0.05, 0.2, 1.0, 3.0)


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    link = world.links[chosen.component]
    link.disturb(Disturbance(latency_seconds=LATENCIES[chosen.choice % len(LATENCIES)]))
    await asyncio.sleep(chosen.seconds)
    link.heal()
    return []


FAULT = Fault(
    name="slow connections",
    weight=4,
    targets=lambda world: tuple(world.links),
    strike=strike,
    longest_seconds=20,
)
