"""Lets the faults of a plan strike, one after another. Those that last overlap with later ones."""

import asyncio
from collections import Counter
from collections.abc import Iterator

from tests.chaos.plan import Step
from tests.chaos.world import World

MOST_AT_ONCE = 4
"""The most faults that last at the same time."""


class Striker:
    def __init__(self, world: World) -> None:
        self.strikes = Counter[str]()
        self.kills = Counter[str]()
        self._world = world
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    async def strike_all(self, steps: Iterator[Step], kills: int) -> None:
        """Strike until `kills` processes were hit. Return when the last fault is over."""
        async with asyncio.TaskGroup() as group:
            while self.kills.total() < kills:
                step = next(steps)
                await asyncio.sleep(step.pause)
                await self._slots.acquire()
                group.create_task(self._strike(step))

    async def _strike(self, step: Step) -> None:
        lasting = f" for {step.strike.seconds:.0f} s" if step.strike.seconds else ""
        self._world.say(f"{step.fault.name}: {step.strike.component}{lasting}")
        try:
            hit = await step.fault.strike(self._world, step.strike)
        finally:
            self._slots.release()
        self.strikes[step.fault.name] += 1
        self.kills.update(hit)
