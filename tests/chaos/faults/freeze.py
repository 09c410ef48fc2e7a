"""All processes of a component are frozen (SIGSTOP) for a while. A frozen worker comes back after another one
has finished its image.
"""

from collections.abc import Sequence

from tests.chaos.kinds import Fault, Strike
from tests.chaos.world import COMPONENTS, World


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    return [chosen.component] if await world.freeze(chosen.component, chosen.seconds) else []


FAULT = Fault(
    name="freeze", weight=6, targets=lambda _: COMPONENTS, strike=strike, is_kill=True, longest_seconds=30
)
