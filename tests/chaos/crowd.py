"""Lets clients play scenarios at a steady rate, until the images of the run are used up."""

import asyncio
import itertools
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario


class Crowd:
    """A context manager. If a scenario fails, so does the block; clients that are not done then stop."""

    def __init__(self, clients: Sequence[Client], scenarios: Sequence[Scenario], images: int) -> None:
        self._clients = clients
        self._scenarios = scenarios
        self._images = images
        self._tasks = set[asyncio.Task[None]]()
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, trace)

    async def fill_pools(self, images: int) -> None:
        """Let images through the quiet system at once. Pools then have what they need, and drop what died."""

        async def upscale(client: Client) -> None:
            submission = await client.upload()
            if submission.image_id is not None:
                await client.wait(f"/api/images/{submission.image_id}")

        await asyncio.gather(*(upscale(self._clients[n % len(self._clients)]) for n in range(images)))

    async def work(self, seconds: float) -> None:
        """Submit at a rate that takes `seconds` if nothing is refused.

        Return when all images were accepted, or after three times as long.
        """
        names = [one.name for one in self._scenarios]
        weights = [one.weight for one in self._scenarios]
        by_name = dict(zip(names, self._scenarios, strict=True))
        clock = asyncio.get_running_loop()
        end, journal = clock.time() + 3 * seconds, self._clients[0].journal
        for client in itertools.cycle(self._clients):
            if len(journal.accepted) >= self._images or clock.time() > end:
                return
            scenario = by_name[client.random.choices(names, weights)[0]]
            self._start(scenario, client)
            await asyncio.sleep(seconds / self._images * scenario.images)

    async def until_idle(self, seconds: float) -> None:
        """Wait until all clients have what they waited for. After `seconds` let them give up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for client in self._clients:
            client.is_over.set()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for client in self._clients:
            client.is_over.clear()

    def _start(self, scenario: Scenario, client: Client) -> None:
        task = self._group.create_task(scenario.play(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
