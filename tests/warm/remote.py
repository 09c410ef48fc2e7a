"""The warm test stack as a test run sees it: the supervisor lives in another process."""

import asyncio
import contextlib
import secrets
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image

from loupe_local import nats_server, object_store, postgres, smtp, triton
from loupe_local.accounts import Account, AccountFailed, log_in
from loupe_local.log import to_file
from loupe_local.services import Services, services
from loupe_local.stack import Stack
from loupe_local.state import State, read
from loupe_local.stores import Stores
from loupe_local.supervisor import Supervisor
from tests.client import client_of, upscale, wait_for_status
from tests.overrides import OVERRIDES
from tests.pixels import encoded
from tests.warm.connection import connected
from tests.warm.folder import address

RESTART_SECONDS, READY_SECONDS = 120.0, 40.0


class RunningState(State):
    """The folder of a stack that another process runs."""

    def ports(self, *names: str) -> dict[str, int]:
        remembered = read(self.folder / "ports.json")
        return {name: remembered[name] for name in names}


class RemoteSupervisor(Supervisor):
    """The supervisor of the warm stack, which lives in another process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "state", to_file(folder / "stack.log"))
        self.state = RunningState(folder / "state")
        self._address = address(folder)

    async def stop(self, name: str) -> None:
        await self._ask("stop", name)

    async def kill(self, name: str) -> None:
        await self._ask("kill", name)

    async def restart(self, name: str) -> None:
        await self._ask("restart", name)

    def pid(self, name: str) -> int:
        return self._component(name)["pid"]

    def is_ready(self, name: str) -> bool:
        return self._component(name)["ready"]

    def _component(self, name: str) -> dict[str, Any]:
        return read(self.state.folder / "local.json")["components"][name]

    async def _ask(self, do: str, name: str) -> None:
        async with connected(self._address) as connection:
            reply = await connection.ask({"do": do, "name": name}, RESTART_SECONDS)
        if "error" in reply:
            raise RuntimeError(reply["error"])


async def connect(folder: Path, *, has_restarted: bool) -> Stack:
    """Return the running stack with two new users, to whom no earlier run has left anything."""
    supervisor = RemoteSupervisor(folder)
    state = supervisor.state
    stores = Stores(
        supervisor=supervisor,
        postgres=postgres.postgres(state),
        nats=nats_server.nats(state),
        s3=object_store.object_store(state),
        smtp=smtp.smtp(state),
        triton=triton.triton(state),
    )
    running = services(stores, OVERRIDES)
    token, other_token = await asyncio.gather(
        *(new_token(stores, running, name) for name in ("Jane", "Omar"))
    )
    stack = Stack(stores=stores, services=running, token=token, other_token=other_token)
    if has_restarted:
        await until_a_picture_goes_through(stack, await new_token(stores, running, "Trial"))
    return stack


async def new_token(stores: Stores, running: Services, name: str) -> str:
    """Return a token of a new user. Repeat it while services look for others that have restarted."""
    account = Account(
        name, f"{name.lower()}.{secrets.token_hex(4)}@example.com", f"Aa1{secrets.token_hex(16)}"
    )
    async with httpx2.AsyncClient(base_url=running.api, timeout=30, trust_env=False) as client:
        async with asyncio.timeout(READY_SECONDS):
            while True:
                with contextlib.suppress(AccountFailed, httpx2.HTTPStatusError):
                    return await log_in(client, running, stores.supervisor.state, stores.mails, account)
                await asyncio.sleep(0.1)


async def until_a_picture_goes_through(stack: Stack, token: str) -> None:
    """Wait until all services have found each other again."""
    picture = encoded(Image.new("RGB", (4, 4)), "PNG")
    async with client_of(stack, token) as client, asyncio.timeout(READY_SECONDS):
        while (answer := await upscale(client, picture, "trial.png")).is_server_error:
            await asyncio.sleep(0.1)
        await wait_for_status(client, answer.json()["data"]["id"], "completed")
