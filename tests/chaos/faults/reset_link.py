"""The connections between two components are reset after some bytes, again and again for a while."""

import asyncio
from collections.abc import Sequence

from tests.chaos.kinds import Fault, Strike
from tests.chaos.link import Disturbance
from tests.chaos.world import World

BYTES = (0, 100, 1000, 10_000, 100_000)


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    link = world.links[chosen.component]
    link.disturb(Disturbance(reset_after_bytes=BYTES[chosen.choice % len(BYTES)]))
    await asyncio.sleep(chosen.seconds)
    link.heal()
    return []


FAULT = Fault(
    name="cut connections",
    weight=4,
    targets=lambda world: tuple(world.links),
    strike=strike,
    longest_seconds=10,
)
