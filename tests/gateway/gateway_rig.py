"""Requests as the server hands them over, gateways beside the running system, and new users."""

import argparse
import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
import uvicorn
from starlette.requests import Request

from common.metrics import Readiness
from gateway import app, backend
from gateway.__main__ import follow
from gateway.admin import Operator
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


def settings_of(stack: Stack, **changed: Any) -> Settings:
    given = stack.services.environment("gateway")
    values: dict[str, Any] = {name.removeprefix("GATEWAY_").lower(): text for name, text in given.items()}
    return Settings(**(values | changed))


@dataclass
class Gateway:
    url: str
    backend: backend.Backend
    readiness: Readiness

    def client(self, token: str = "", **headers: str) -> httpx2.AsyncClient:
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(base_url=self.url, headers=bearer | headers, timeout=20)

    async def ready(self) -> None:
        async with asyncio.timeout(20):
            while self.readiness.missing():
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def gateway_on(settings: Settings) -> AsyncGenerator[Gateway]:
    """Another gateway, in this process and on a port of its own, ready."""
    connected, readiness = backend.connect(settings), Readiness("broker", "auth", "billing", "images")
    application = app.create(connected, readiness)

    @application.get("/api/broken")
    async def broken() -> None:  # pyright: ignore[reportUnusedFunction]  a route
        raise RuntimeError("secret words")

    config = uvicorn.Config(application, port=0, lifespan="off", log_config=None, proxy_headers=False)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # pyright: ignore[reportAttributeAccessIssue]
    tasks = [asyncio.create_task(server.serve()), asyncio.create_task(follow(connected, readiness))]
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    gateway = Gateway(f"http://127.0.0.1:{port}", connected, readiness)
    try:
        await gateway.ready()
        yield gateway
    finally:
        server.should_exit = True
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for channel in connected.channels:
            await channel.close()


@dataclass(frozen=True)
class Person:
    id: int
    email: str
    token: str


class People:
    """Makes users through the API, and is their operator."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        admin = stack.services.admin
        self._operator = Operator(admin["auth_target"], admin["billing_target"], admin["operator_secret"])

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
        await self._operator.verify_user(argparse.Namespace(email=person.email))

    async def put_on(self, person: Person, plan: str) -> None:
        await self._operator.set_plan(argparse.Namespace(email=person.email, plan=plan))

    async def change(self, service: str, statement: str, *values: object) -> None:
        """What no API of ours does yet."""
        url = self._stack.stores.database_url(service).replace("postgresql+psycopg", "postgresql")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(statement.encode(), values)
