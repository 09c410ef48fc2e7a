"""The broker is killed, and loses all its streams before it starts again.

An operator then publishes the outcomes again, as docs/operations.md says.
"""

import contextlib
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime

from loupe_local.component import NotReady
from tests.chaos.kinds import Fault, Strike
from tests.chaos.world import World


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    await world.supervisor.kill(chosen.component)
    shutil.rmtree(world.supervisor.state.path(chosen.component) / "jetstream", ignore_errors=True)
    world.wiped_at = datetime.now(UTC)
    with contextlib.suppress(NotReady):  # another fault stopped it meanwhile, and starts it again
        await world.supervisor.restart(chosen.component)
    return [chosen.component]


FAULT = Fault(name="wipe the broker", weight=1, targets=lambda _: ("nats",), strike=strike, is_kill=True)
