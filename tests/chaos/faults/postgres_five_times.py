"""PostgreSQL is killed five times in a row, each time as soon as it answers again."""

import signal
from collections.abc import Sequence

from tests.chaos.kinds import Fault, Strike
from tests.chaos.world import World

TIMES = 5


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    hit = list[str]()
    for _ in range(TIMES):
        await world.until_ready(chosen.component)
        if world.signal(chosen.component, signal.SIGKILL):
            hit.append(chosen.component)
            await world.until_down(chosen.component)
    return hit


FAULT = Fault(
    name="restart PostgreSQL five times",
    weight=1,
    targets=lambda _: ("postgres",),
    strike=strike,
    is_kill=True,
)
