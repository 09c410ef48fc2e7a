"""A replica of images that tests kill at a chosen step, while another replica runs beside it.

Gates hold its calls to billing and to the store, and its answers.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from loupe_local.ports import HOST
from loupe_local.probes import http_ok
from loupe_local.stack import Stack
from tests.e2e.gate import Gate
from tests.gateway.harness import People

NAME = "killed-images"
PREFIX = "images/originals/"


@dataclass(frozen=True)
class Killed:
    """The replica, the gates around it, and what it leaves."""

    stack: Stack
    people: People
    target: str
    """Its address through the gate `answers`."""
    billing: Gate
    store: Gate
    answers: Gate

    async def kill(self) -> None:
        """Kill it with SIGKILL. What the gates hold is lost."""
        await self.stack.stores.supervisor.kill(NAME)
        for gate in (self.billing, self.store, self.answers):
            await gate.drop()
            gate.open()

    async def restart(self) -> None:
        await self.stack.stores.supervisor.restart(NAME)

    async def until_found(self, service: str, query: str, *values: object) -> None:
        """Wait until the database of a service has such a row."""
        async with asyncio.timeout(30):
            while not await self.people.read_sql(service, query, *values):
                await asyncio.sleep(0.02)

    async def until_stored(self, key: str) -> None:
        """Wait until the store has this object."""
        async with asyncio.timeout(30):
            while key not in await asyncio.to_thread(self.list_originals):
                await asyncio.sleep(0.02)

    def list_originals(self) -> set[str]:
        """Return the keys of all originals in the store."""
        client, bucket = self.stack.stores.s3.client("images"), self.stack.stores.s3.bucket
        return {str(one.object_name) for one in client.list_objects(bucket, PREFIX, recursive=True)}


@asynccontextmanager
async def replica_of_images(stack: Stack, people: People) -> AsyncGenerator[Killed]:
    """Run another replica of images beside that of the stack."""
    supervisor, process = stack.stores.supervisor, stack.services.process("images")
    ports = supervisor.state.ports(NAME, f"{NAME}.metrics")
    listen, metrics = (f"{HOST}:{port}" for port in ports.values())
    async with AsyncExitStack() as exits:
        billing = await exits.enter_async_context(Gate(process.env["IMAGES_BILLING_TARGET"]))
        store = await exits.enter_async_context(Gate(process.env["IMAGES_S3_ENDPOINT"]))
        answers = await exits.enter_async_context(Gate(listen))
        env = {
            "IMAGES_LISTEN": listen,
            "IMAGES_METRICS_LISTEN": metrics,
            "IMAGES_BILLING_TARGET": billing.address,
            "IMAGES_S3_ENDPOINT": f"http://{store.address}",
        }
        ready = http_ok(HOST, ports[f"{NAME}.metrics"])
        await supervisor.start(replace(process, name=NAME, env={**process.env, **env}, ready=ready))
        yield Killed(stack, people, answers.address, billing, store, answers)
        await supervisor.remove(NAME)
