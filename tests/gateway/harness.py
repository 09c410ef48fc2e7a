"""Requests without a server, further gateways beside the running system, and new users."""

import asyncio
import contextlib
import itertools
import re
import secrets
import time
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
import uvicorn
from starlette.requests import Request
from starlette.responses import StreamingResponse

from common import bus
from common.metrics import Readiness
from gateway import app, backend
from gateway.__main__ import REQUIRED_CONNECTIONS, create_server, follow
from gateway.admin import Operator
from gateway.identity.limits import HOUR, STREAM
from gateway.settings import Settings
from loupe_local.stack import Stack

PASSWORD = "Correct-Horse-1"


def a_request(
    pieces: Iterable[bytes] = (),
    *,
    client: str = "127.0.0.1",
    headers: Iterable[tuple[str, str]] = (),
) -> Request:
    """Return a request whose body arrives in these pieces."""
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    messages = iter(waiting)

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/images/upscale",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": (client, 1),
    }
    return Request(scope, receive)


def requests_left(header: str) -> int:
    """Return how many requests are left, from the `RateLimit` header."""
    found = re.search(r";r=(\d+);", header)
    assert found
    return int(found[1])


def new_address() -> str:
    """Return an IP address that no other client has."""
    return f"fd{secrets.token_hex(1)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"


def settings_of(stack: Stack, **changed: Any) -> Settings:
    given = stack.services.environment("gateway")
    values: dict[str, Any] = {name.removeprefix("GATEWAY_").lower(): text for name, text in given.items()}
    return Settings(**(values | changed))


def settings_without_services(**changed: object) -> Settings:
    """Return settings of a gateway without services. It answers only what needs none."""
    nowhere = "127.0.0.1:1"
    values = {
        "listen": "127.0.0.1:0",
        "nats_url": f"nats://{nowhere}",
        "auth_target": nowhere,
        "billing_target": nowhere,
        "images_target": nowhere,
        "outbound_target": nowhere,
        "client_secret": "x",
        "unauthenticated_requests_per_hour": 1_000_000,
    }
    return Settings.model_validate(values | changed)


async def spend(stack: Stack, key: str, requests: int) -> None:
    """Count that many requests of this hour, as if they had been made."""
    async with bus.connection(stack.stores.nats_url("gateway"), "tests", Readiness()) as client:
        js = client.jetstream()
        await bus.declare(js, STREAM)
        subject = f"limits.{key}.{int(time.time()) // HOUR}"
        await js.publish(subject, b"", headers={"Nats-Incr": str(requests)})


@dataclass
class Harness:
    url: str
    backend: backend.Backend
    readiness: Readiness
    server: uvicorn.Server

    def client(self, token: str = "", **headers: str) -> httpx2.AsyncClient:
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(base_url=self.url, headers=bearer | headers, timeout=20)

    async def ready(self) -> None:
        async with asyncio.timeout(20):
            while self.readiness.missing():
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def gateway_on(
    settings: Settings, *, wait_for_services: bool = True, host: str = "127.0.0.1"
) -> AsyncGenerator[Harness]:
    """Run another gateway in this process, on its own port."""
    connected, readiness = backend.connect(settings), Readiness(*REQUIRED_CONNECTIONS)
    application = app.create(connected, readiness)

    @application.get("/api/broken", include_in_schema=False)
    async def broken() -> None:  # pyright: ignore[reportUnusedFunction]  a route
        raise RuntimeError("secret words")

    @application.get("/api/endless", include_in_schema=False)
    async def endless() -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]  a route
        return StreamingResponse(itertools.repeat(bytes(64 << 10)))

    server = create_server(application, settings.model_copy(update={"listen": f"{host}:0"}))
    tasks = [asyncio.create_task(server.serve()), asyncio.create_task(follow(connected, readiness))]
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    gateway = Harness(f"http://{host}:{port}", connected, readiness, server)
    try:
        if wait_for_services:
            await gateway.ready()
        yield gateway
    finally:
        server.should_exit = True
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await connected.connections.close()


async def until_idle(gateway: Harness) -> None:
    """Wait until the gateway has neither connections nor running requests."""
    async with asyncio.timeout(20):
        state = gateway.server.server_state
        while state.connections or state.tasks:
            await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Person:
    id: int
    email: str
    token: str


class People:
    """Creates users through the API, and changes them as an operator."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.operator = Operator(stack.services.admin)

    async def new(self, plan: str = "", *, verified: bool = True) -> Person:
        email = f"{secrets.token_hex(6)}@example.com"
        body = {"name": "New", "email": email, "password": PASSWORD, "password_confirmation": PASSWORD}
        async with httpx2.AsyncClient(base_url=self._stack.api, timeout=20) as client:
            answer = await client.post("/api/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        data = answer.json()["data"]
        person = Person(data["user"]["id"], email, data["token"])
        if verified:
            await self.verify(person)
        if plan:
            await self.set_plan(person, plan)
        return person

    async def verify(self, person: Person) -> None:
        await self.operator.verify_user(person.email)

    async def set_plan(self, person: Person, plan: str) -> None:
        await self.operator.set_plan(person.email, plan)

    async def execute_sql(self, service: str, statement: str, *values: object) -> None:
        """Change the database of a service directly, where no API can."""
        async with await self.connect(service) as connection:
            await connection.execute(statement.encode(), values)

    async def read_sql(self, service: str, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read the database of a service directly, where no API shows it."""
        async with await self.connect(service) as connection:
            return await (await connection.execute(query.encode(), values)).fetchall()

    async def connect(self, service: str) -> psycopg.AsyncConnection:
        """Open a connection to the database of a service."""
        url = self._stack.stores.database_url(service).replace("postgresql+psycopg", "postgresql")
        return await psycopg.AsyncConnection.connect(url, autocommit=True)
