"""Requests as the server hands them over, gateways beside the running system, and new users."""

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
from gateway.__main__ import NEEDS, follow, server_of
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
    """The body arrives in these pieces."""
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    given = iter(waiting)

    async def receive() -> dict[str, Any]:
        return next(given, {"type": "http.disconnect"})

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/images/upscale",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": (client, 1),
    }
    return Request(scope, receive)


def left(told: str) -> int:
    """What `RateLimit` says is left."""
    found = re.search(r";r=(\d+);", told)
    assert found
    return int(found[1])


def an_address() -> str:
    """Of a client that nobody else is."""
    return f"fd{secrets.token_hex(1)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"


def settings_of(stack: Stack, **changed: Any) -> Settings:
    given = stack.services.environment("gateway")
    values: dict[str, Any] = {name.removeprefix("GATEWAY_").lower(): text for name, text in given.items()}
    return Settings(**(values | changed))


def unconnected(**changed: object) -> Settings:
    """No service is there, and what needs none is answered."""
    nowhere = "127.0.0.1:1"
    values = {
        "nats_url": f"nats://{nowhere}",
        "auth_target": nowhere,
        "billing_target": nowhere,
        "images_target": nowhere,
        "client_secret": "x",
        "unauthenticated_requests_per_hour": 1_000_000,
    }
    return Settings.model_validate(values | changed)


async def spent(stack: Stack, key: str, requests: int) -> None:
    """As if that many requests had been made in this hour."""
    async with bus.connection(stack.stores.nats_url("gateway"), "tests", Readiness()) as client:
        js = client.jetstream()
        await bus.declare(js, STREAM)
        subject = f"limits.{key}.{int(time.time()) // HOUR}"
        await js.publish(subject, b"", headers={"Nats-Incr": str(requests)})


@dataclass
class Gateway:
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
async def gateway_on(settings: Settings, *, alone: bool = False) -> AsyncGenerator[Gateway]:
    """Another gateway, in this process and on a port of its own, ready unless there are no services."""
    connected, readiness = backend.connect(settings), Readiness(*NEEDS)
    application = app.create(connected, readiness)

    @application.get("/api/broken", include_in_schema=False)
    async def broken() -> None:  # pyright: ignore[reportUnusedFunction]  a route
        raise RuntimeError("secret words")

    @application.get("/api/endless", include_in_schema=False)
    async def endless() -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]  a route
        return StreamingResponse(itertools.repeat(bytes(64 << 10)))

    server = server_of(application, settings.model_copy(update={"listen": "127.0.0.1:0"}))
    tasks = [asyncio.create_task(server.serve()), asyncio.create_task(follow(connected, readiness))]
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    gateway = Gateway(f"http://127.0.0.1:{port}", connected, readiness, server)
    try:
        if not alone:
            await gateway.ready()
        yield gateway
    finally:
        server.should_exit = True
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for channel in connected.channels:
            await channel.close()


async def nobody_is_left(gateway: Gateway) -> None:
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
    """Makes users through the API, and is their operator."""

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
            await self.put_on(person, plan)
        return person

    async def verify(self, person: Person) -> None:
        await self.operator.verify_user(person.email)

    async def put_on(self, person: Person, plan: str) -> None:
        await self.operator.set_plan(person.email, plan)

    async def change(self, service: str, statement: str, *values: object) -> None:
        """What no API of ours does yet."""
        url = self._stack.stores.database_url(service).replace("postgresql+psycopg", "postgresql")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(statement.encode(), values)
