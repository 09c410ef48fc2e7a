"""One run: start the system, let clients work while faults strike, heal everything, and audit."""

import asyncio
import contextlib
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psycopg
from minio.error import MinioException
from nats.errors import Error as NatsError
from urllib3.exceptions import HTTPError

from loupe_local import accounts
from tests.chaos import collect, disks, plan, plugins, process_facts
from tests.chaos.client import Client
from tests.chaos.crowd import Crowd
from tests.chaos.evidence import Evidence
from tests.chaos.gallery import gallery
from tests.chaos.hooks import webhooks
from tests.chaos.journal import Journal
from tests.chaos.kinds import Scenario
from tests.chaos.listener import Listener
from tests.chaos.pictures import Reading
from tests.chaos.striker import Striker
from tests.chaos.world import World, world

START_SECONDS = 60.0
SECONDS_PER_IMAGE = 0.4
USUAL_SETTLE_SECONDS, SETTLE_SECONDS = 45.0, 300.0
POOL_IMAGES = 12
SURELY_SETTLED = 40.0
"""Time after the last sweep of orphans in which no violation came or went. Then none will go any more."""
REPLAY = ("endings", "replay", "--since", "24h")
TRAIL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Options:
    seed: int
    images: int
    kills: int
    longest_seconds: float = 30.0
    """No fault lasts longer."""
    settle_seconds: float = SETTLE_SECONDS
    orphan_age_seconds: float = 90.0
    longest_pause_seconds: float = 4.0
    """The longest time between two faults."""
    seconds_per_kill: float = 3.0
    with_slow_scenarios: bool = True
    folder: Path | None = None
    """The folder of the run's files, by default a temporary one. It stays if there is a violation."""

    @property
    def seconds(self) -> float:
        """The time for which clients and faults are at work."""
        return max(self.images * SECONDS_PER_IMAGE, self.kills * self.seconds_per_kill)

    @property
    def usual_seconds(self) -> float:
        return START_SECONDS + self.seconds + USUAL_SETTLE_SECONDS

    @property
    def most_seconds(self) -> float:
        """The run gives up after this time."""
        return START_SECONDS + 4 * self.seconds + 3 * self.settle_seconds


@dataclass(kw_only=True)
class Outcome:
    """The deeds and findings of a run. `violations` holds sentences by audit."""

    seed: int
    seconds: float
    accepted: int
    ended: dict[str, int]
    strikes: dict[str, int]
    """The number of times that each fault struck."""
    kills: dict[str, int]
    """Processes that were killed, stopped or frozen, by component."""
    violations: dict[str, list[str]]
    answers: dict[str, int]
    folder: Path = field(default_factory=Path)


async def run(options: Options, say: Callable[[str], None] = print) -> Outcome:
    """Make one run. It ends within `options.most_seconds`."""
    started = time.monotonic()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="loupe-chaos-"))
    folder.chmod(0o711)
    journal, trail = Journal(), process_facts.Trail()
    async with asyncio.timeout(options.most_seconds):
        system = world(folder, say=say, orphan_age_seconds=options.orphan_age_seconds)
        async with system as running, _noting(trail, running):
            striker, found = await _work(options, running, journal)
            sockets = process_facts.sockets(running)
    found.leftovers = trail.leftovers(folder / "tmp", sockets)
    outcome = Outcome(
        seed=options.seed,
        seconds=time.monotonic() - started,
        accepted=len(journal.accepted),
        ended=dict(Counter(row.failure_code or row.status for row in found.images)),
        strikes=dict(striker.strikes),
        kills=dict(striker.kills),
        violations=audit(found),
        answers=dict(journal.answers),
        folder=folder,
    )
    if not outcome.violations and options.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def audit(found: Evidence) -> dict[str, list[str]]:
    """Return the violations by audit. Audits without any are left out."""
    lines = {each.name: each.check(found) for each in plugins.audits()}
    return {name: each for name, each in lines.items() if each}


async def _work(options: Options, running: World, journal: Journal) -> tuple[Striker, Evidence]:
    striker = Striker(running)
    async with (
        _clients(options, running, journal) as clients,
        Crowd(clients, _scenarios(options), options.images) as crowd,
    ):
        await crowd.fill_pools(POOL_IMAGES)
        before = process_facts.of(running)
        running.say(f"the system is warm; clients and faults are at work for about {options.seconds:.0f} s")
        steps = plan.steps(
            running,
            plugins.faults(),
            options.seed,
            longest_seconds=options.longest_seconds,
            longest_pause=options.longest_pause_seconds,
        )
        await asyncio.gather(crowd.work(options.seconds), striker.strike_all(steps, options.kills))
        running.say("all faults are healed; the system settles")
        await heal(running)
        found = await _settled(options, running, journal, crowd)
    found.before = before
    return striker, found


def _scenarios(options: Options) -> list[Scenario]:
    return [each for each in plugins.scenarios() if options.with_slow_scenarios or not each.is_slow]


async def heal(running: World) -> None:
    """End all faults, wait until every component is ready, and do what operators do after a lost stream."""
    running.thaw()
    for link in running.links.values():
        link.heal()
    for path in running.disks.values():
        disks.free(path)
    await running.until_ready()
    if running.wiped_at:
        await accounts.admin(running.stack.services, *REPLAY)


async def _settled(options: Options, running: World, journal: Journal, crowd: Crowd) -> Evidence:
    """Collect the evidence until no audit finds anything, nothing changes any more, or the time is over."""
    known, deadline = dict[int, Reading | str](), time.monotonic() + options.settle_seconds
    await crowd.until_idle(options.settle_seconds)
    await crowd.fill_pools(POOL_IMAGES)
    lines, changed_at = None, time.monotonic()
    while True:
        found = await _collected(running, journal, known)
        before, lines = lines, audit(found) if found else None
        if lines != before:
            changed_at = time.monotonic()
        is_over = time.monotonic() > min(deadline, changed_at + options.orphan_age_seconds + SURELY_SETTLED)
        if found is not None and (is_over or not lines):
            return found
        if found is None and is_over:
            raise TimeoutError("the stores do not answer")
        await asyncio.sleep(1)


async def _collected(running: World, journal: Journal, known: dict[int, Reading | str]) -> Evidence | None:
    """Return the evidence, or None if a store does not answer yet."""
    try:
        return await collect.collect(running, journal, known)
    except (psycopg.Error, NatsError, HTTPError, MinioException, OSError) as error:
        running.say(f"the evidence cannot be read yet: {error!r}")
        return None


@asynccontextmanager
async def _clients(options: Options, running: World, journal: Journal) -> AsyncGenerator[list[Client]]:
    """Yield several clients of two users. All their random choices come from the seed."""
    async with gallery() as address, _listening(running, journal), webhooks(running, journal):
        made = await _make_clients(options, running, journal, address)
        try:
            yield made
        finally:
            for one in made:
                await one.close()


async def _make_clients(options: Options, running: World, journal: Journal, address: str) -> list[Client]:
    made = list[Client]()
    for token in (running.stack.token, running.stack.other_token):
        async with httpx2.AsyncClient(base_url=running.gateways[0], timeout=30, trust_env=False) as http:
            answer = await http.get("/api/user", headers={"Authorization": f"Bearer {token}"})
        user_id = answer.raise_for_status().json()["data"]["id"]
        made += [
            Client(
                user_id=user_id,
                token=token,
                gateways=running.gateways,
                gallery=address,
                journal=journal,
                chosen=random.Random(f"{options.seed} {user_id} {number}"),
            )
            for number in range(4)
        ]
    return made


@asynccontextmanager
async def _listening(running: World, journal: Journal) -> AsyncGenerator[None]:
    """Let a client of each user follow events meanwhile."""
    tokens = (running.stack.token, running.stack.other_token)
    listeners = [Listener(token=token, gateways=running.gateways, journal=journal) for token in tokens]
    tasks = [asyncio.create_task(each.listen()) for each in listeners]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


@asynccontextmanager
async def _noting(trail: process_facts.Trail, running: World) -> AsyncGenerator[None]:
    """Note again and again which processes and regions of shared memory the system has."""

    async def note() -> None:
        while True:
            await asyncio.to_thread(trail.note, running)
            await asyncio.sleep(TRAIL_SECONDS)

    task = asyncio.create_task(note())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
