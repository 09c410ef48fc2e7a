"""The power fails in the middle of the load. Afterwards each accepted image is there, and charged once.

PostgreSQL and NATS lose everything that they have not synced, and all processes are killed.
`SEED` chooses the moments. `make chaos-powerloss` prints it.
"""

import asyncio
import os
import random
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from loupe_local import nats_server
from loupe_local.log import to_file
from loupe_local.service_names import NAMES
from loupe_local.stack import Stack
from loupe_local.stack import stack as run_stack
from loupe_local.stores import NAMES as STORES
from tests.gateway.harness import People
from tests.overrides import OVERRIDES
from tests.powerloss.power import NoFuse, Power
from tests.upgrade.audit import audit
from tests.upgrade.load import Clients, load

FAILURES = int(os.environ.get("FAILURES") or 5)
SEED = os.environ.get("SEED") or secrets.token_hex(4)
MOST_UPLOADS = 12
"""The most uploads that are still accepted before the power fails."""
DISKS = ("postgres", "nats")


@pytest.fixture
async def folder() -> AsyncGenerator[Path]:
    """A folder that everyone can enter, because PostgreSQL runs as another user."""
    made = Path(tempfile.mkdtemp(prefix="loupe-powerloss-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def power(folder: Path) -> AsyncGenerator[Power]:
    (folder / "state").mkdir(mode=0o711)
    power = Power(folder / "disks", [folder / "state" / name for name in DISKS])
    try:
        await power.turn_on()
    except NoFuse as error:
        pytest.fail(str(error))
    yield power
    await power.turn_off()


@pytest.fixture
async def machine(folder: Path, power: Power) -> AsyncGenerator[Stack]:
    """The whole system, on disks whose power can fail."""
    sink = to_file(Path(os.environ.get("LOG") or folder / "stack.log"))
    async with run_stack(folder / "state", sink=sink, durable=True, overrides=OVERRIDES) as running:
        assert (folder / "state" / "postgres" / "data").exists()
        yield running


@pytest.mark.timeout(900)
async def test_after_power_failures_each_accepted_image_is_there_and_charged_once(
    machine: Stack, power: Power
) -> None:
    moments = random.Random(SEED)
    print(f"SEED={SEED}")
    clients = [Clients([machine.api], await People(machine).new("enterprise")) for _ in range(3)]

    async with load(clients):
        for _ in range(FAILURES):
            await until_accepted(clients, moments.randrange(1, MOST_UPLOADS))
            print("; ".join(await power.cut()))
            await start_again(machine, power)
        await until_accepted(clients, MOST_UPLOADS)
    problems = [problem for each in clients for problem in await audit(machine, each)]

    print(f"{sum(len(each.accepted) for each in clients)} images were accepted")
    for each in clients:
        await each.close()
    assert problems == []


async def until_accepted(clients: list[Clients], more: int) -> None:
    before = sum(len(each.accepted) for each in clients)
    async with asyncio.timeout(120):
        while sum(len(each.accepted) for each in clients) < before + more:
            await asyncio.sleep(0.01)


async def start_again(machine: Stack, power: Power) -> None:
    """Kill all processes, as their machine has no power, and start them on what their disks have."""
    supervisor = machine.stores.supervisor
    await asyncio.gather(*(supervisor.kill(name) for name in (*STORES, *NAMES)))
    await power.turn_off()
    await power.turn_on()
    # as each start does, write the settings again
    nats_server.process(machine.stores.nats, supervisor.state, durable=True)
    await asyncio.gather(*(supervisor.restart(name) for name in STORES))
    await asyncio.gather(*(supervisor.restart(name) for name in NAMES))
