"""A component gets the signal that asks it to stop, and drains while clients use it."""

import signal
from collections.abc import Sequence

from tests.chaos.kinds import Fault, Strike
from tests.chaos.world import COMPONENTS, World

SIGNALS = {"postgres": signal.SIGINT}
"""At SIGTERM PostgreSQL would wait until all clients have gone."""


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    number = SIGNALS.get(chosen.component, signal.SIGTERM)
    return [chosen.component] if world.signal(chosen.component, number) else []


FAULT = Fault(name="stop", weight=6, targets=lambda _: COMPONENTS, strike=strike, is_kill=True)
