"""A component is killed (SIGKILL). The supervisor starts it again."""

import signal
from collections.abc import Sequence

from tests.chaos.kinds import Fault, Strike
from tests.chaos.world import COMPONENTS, World


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    return [chosen.component] if world.signal(chosen.component, signal.SIGKILL) else []


FAULT = Fault(name="kill", weight=10, targets=lambda _: COMPONENTS, strike=strike, is_kill=True)
