"""Every component is killed at the same moment, as in a power cut of which the disks notice nothing."""

import signal
from collections.abc import Sequence

from tests.chaos.kinds import Fault, Strike
from tests.chaos.world import COMPONENTS, World


async def strike(world: World, _: Strike) -> Sequence[str]:
    hit = [name for name in COMPONENTS if world.signal(name, signal.SIGKILL)]
    await world.until_ready("gateway", "images", "postgres", "nats", "objects")
    return hit


FAULT = Fault(name="kill everything", weight=1, targets=lambda _: ("all",), strike=strike, is_kill=True)
