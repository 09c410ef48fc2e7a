"""Lets clients play scenarios at a steady rate, until the images of the run are used up."""

import asyncio
import contextlib
from collections.abc import Sequence

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario

WAIT_SECONDS = 60.0


class Crowd:
    def __init__(self, clients: Sequence[Client], scenarios: Sequence[Scenario], images: int) -> None:
        self._clients = clients
        self._scenarios = scenarios
        self._images = images
        self._taken = 0
        self._tasks = set[asyncio.Task[None]]()

    @property
    def is_busy(self) -> bool:
        """Whether a client still waits for something."""
        return bool(self._tasks)

    async def warm_up(self, images: int) -> None:
        """Let images through the quiet system, so that all pools and caches are filled."""
        client = self._clients[0]
        for _ in range(images):
            submission = await client.upload()
            if submission.image_id is not None:
                await client.wait(f"/api/images/{submission.image_id}")

    async def work(self, seconds: float) -> None:
        """Submit the images over so many seconds. Return when the last client has begun."""
        names = [one.name for one in self._scenarios]
        weights = [one.weight for one in self._scenarios]
        by_name = dict(zip(names, self._scenarios, strict=True))
        clock = asyncio.get_running_loop()
        started, turn = clock.time(), 0
        while self._taken < self._images:
            client = self._clients[turn % len(self._clients)]
            turn += 1
            scenario = by_name[client.random.choices(names, weights)[0]]
            self._taken += scenario.images
            self._start(scenario, client)
            await asyncio.sleep(max(0, started + seconds * self._taken / self._images - clock.time()))

    def give_up(self) -> None:
        """Let all clients stop to wait."""
        for client in self._clients:
            client.is_over.set()

    def _start(self, scenario: Scenario, client: Client) -> None:
        task = asyncio.create_task(scenario.play(client))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        with contextlib.suppress(asyncio.CancelledError):
            task.result()
