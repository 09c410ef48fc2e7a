"""The system of a run: two gateways and two workers, a link in each connection, and small disks."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import psutil

from loupe_local.component import NotReady
from loupe_local.log import to_folder
from loupe_local.plans import SHIPPED
from loupe_local.ports import HOST
from loupe_local.probes import http_ok
from loupe_local.process import Process, process_tree
from loupe_local.service_names import NAMES
from loupe_local.services import Services
from loupe_local.stack import Stack, stack
from loupe_local.state import State
from loupe_local.supervisor import Supervisor
from tests.chaos.disks import small_disks
from tests.chaos.link import Link
from tests.chaos.network import network
from tests.overrides import MANY_REQUESTS, SHORT_TIMES

REPLICAS = ("gateway", "inference")
"""The services of which a second process runs."""
SECOND = "-2"
STORES = ("postgres", "nats", "objects", "triton")
COMPONENTS = (*NAMES, *(f"{name}{SECOND}" for name in REPLICAS), *STORES)
READY_SECONDS = 120.0
ORPHANS = {"IMAGES_ORPHANS_SECONDS": "10"}
"""The daily sweep for objects without a row comes every 10 s, so that a run can wait for it."""
WEBHOOKS = {"OUTBOUND_ANSWER_SECONDS": "5", "OUTBOUND_LEASE_SECONDS": "15"}
"""A delivery whose process was killed is made again within a run."""
LIMIT = re.compile(r"^(requests_per_hour|images_per_month) *= *\d+", re.MULTILINE)


@dataclass(kw_only=True)
class World:
    stack: Stack
    links: Mapping[str, Link]
    disks: Mapping[str, Path]
    """The disk of each store. Empty if small disks cannot be mounted."""
    gateways: tuple[str, ...]
    """Their addresses."""
    say: Callable[[str], None]
    wiped_at: datetime | None = None
    """When the broker last lost its streams in this run."""
    frozen: set[psutil.Process] = field(default_factory=set[psutil.Process])

    @property
    def supervisor(self) -> Supervisor:
        return self.stack.stores.supervisor

    def leader(self, name: str) -> psutil.Process | None:
        """Return the first process of the component, or None if it is not running now."""
        with contextlib.suppress(NotReady, psutil.NoSuchProcess):
            return psutil.Process(self.supervisor.pid(name))
        return None

    def signal(self, name: str, number: signal.Signals) -> bool:
        """Send a signal to the component's first process. Return whether it was running."""
        leader = self.leader(name)
        if leader is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            leader.send_signal(number)
            return True
        return False

    async def freeze(self, name: str, seconds: float) -> bool:
        """Stop all processes of the component for `seconds`. Return whether it was running."""
        leader = self.leader(name)
        if leader is None:
            return False
        members = {leader, *await asyncio.to_thread(process_tree, leader.pid)}
        self.frozen |= members
        try:
            for member in members:
                _send(member, signal.SIGSTOP)
            await asyncio.sleep(seconds)
        finally:
            self.thaw(members)
        return True

    def thaw(self, members: set[psutil.Process] | None = None) -> None:
        """Let frozen processes go on, by default all."""
        for member in set(self.frozen if members is None else members):
            _send(member, signal.SIGCONT)
            self.frozen.discard(member)

    async def until_down(self, name: str) -> None:
        """Wait until the supervisor knows that the component has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                while self.supervisor.is_ready(name):
                    await asyncio.sleep(0.02)

    async def until_ready(self, *names: str) -> list[str]:
        """Wait until the components are ready, by default all. Return those that are not ready in time."""
        waiting = list(names or COMPONENTS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                while waiting := [name for name in waiting if not self.supervisor.is_ready(name)]:
                    await asyncio.sleep(0.1)
        return waiting


@asynccontextmanager
async def world(
    folder: Path, *, say: Callable[[str], None], orphan_age_seconds: float
) -> AsyncGenerator[World]:
    """Yield the running system. Its folders, temporary files included, are below `folder`."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    temporary.chmod(0o1777)
    state = State(folder / "state")
    plans = folder / "plans.toml"
    plans.write_text(LIMIT.sub(r"\1 = 1000000", SHIPPED.read_text()))
    async with AsyncExitStack() as exits:
        exits.enter_context(_temporary_folder(temporary))
        disks = exits.enter_context(small_disks(state.folder))
        connections = await exits.enter_async_context(network(state))
        overrides = {
            **MANY_REQUESTS,
            **SHORT_TIMES,
            **ORPHANS,
            "IMAGES_ORPHAN_AGE_SECONDS": str(orphan_age_seconds),
            "BILLING_PLANS_FILE": str(plans),
            **WEBHOOKS,
            **connections.overrides,
        }
        system = stack(state.folder, sink=to_folder(folder / "logs"), durable=False, overrides=overrides)
        running = await exits.enter_async_context(system)
        second = {name: replica(running.services, name) for name in REPLICAS}
        await asyncio.gather(*(running.stores.supervisor.start(each) for each in second.values()))
        addresses = running.api, f"http://{second['gateway'].env['GATEWAY_LISTEN']}"
        yield World(stack=running, links=connections.links, disks=disks, gateways=addresses, say=say)


def replica(services: Services, name: str) -> Process:
    """Return a second process of a service, with ports of its own."""
    ports = services.stores.supervisor.state.ports(f"second.{name}", f"second.{name}.metrics")
    listen, metrics = ports.values()
    first, prefix = services.process(name), name.upper()
    env = {**first.env, f"{prefix}_METRICS_LISTEN": f"{HOST}:{metrics}"}
    if f"{prefix}_LISTEN" in env:
        env[f"{prefix}_LISTEN"] = f"{HOST}:{listen}"
    return replace(first, name=f"{name}{SECOND}", env=env, ready=http_ok(HOST, metrics))


@contextlib.contextmanager
def _temporary_folder(path: Path) -> Generator[None]:
    """Let the processes that are started meanwhile have their temporary files here, where an audit looks."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(path)
    try:
        yield
    finally:
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
