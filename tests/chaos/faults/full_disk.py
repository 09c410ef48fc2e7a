"""The disk of a store is full for a while, and then has room again.

A server that did not get over it is started again, as the probes of the chart would do.
"""

import asyncio
from collections.abc import Sequence

from tests.chaos import disks
from tests.chaos.kinds import Fault, Strike
from tests.chaos.world import World


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    path = world.disks[chosen.component]
    await asyncio.to_thread(disks.fill, path)
    try:
        await asyncio.sleep(chosen.seconds)
    finally:
        disks.free(path)
    return []


FAULT = Fault(
    name="full disk", weight=2, targets=lambda world: tuple(world.disks), strike=strike, longest_seconds=15
)
