"""Fixtures: a database with an outbox (that of auth), a connection to NATS, and a stream for each test."""

import contextlib
import secrets
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable

import nats.js.errors
import pytest
from nats.js import JetStreamContext
from pydantic import SecretStr

from common import bus, db
from common.blobs import Blobs, Store
from common.db import Sessions
from common.metrics import Readiness
from loupe_local.services import services
from loupe_local.stores import Stores
from tests.common.harness import RpcHarness, Serve, serve_methods
from tests.internal_tokens import TokenIssuer


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture
async def serve(issuer: TokenIssuer) -> AsyncGenerator[Serve]:
    """Start servers whose methods are functions of the test."""
    running: list[RpcHarness] = []

    async def start(
        calls_per_user: int = sys.maxsize, **methods: Callable[..., Awaitable[object]]
    ) -> RpcHarness:
        images = await serve_methods(issuer, methods, calls_per_user)
        running.append(images)
        return images

    yield start
    for images in running:
        await images.close()


@pytest.fixture(scope="session")
async def sessions(stores: Stores) -> AsyncGenerator[Sessions]:
    await services(stores, {}).migrate("auth")
    engine = db.engine(stores.database_url("auth"))
    yield db.sessions(engine)
    await engine.dispose()


@pytest.fixture(scope="session")
async def js(stores: Stores) -> AsyncGenerator[JetStreamContext]:
    async with bus.connection(stores.nats_url("operator"), "tests", Readiness("broker")) as client:
        yield client.jetstream()


@pytest.fixture
async def stream(js: JetStreamContext) -> AsyncGenerator[str]:
    """Yield the name of a new stream for all subjects below that name. The stream DEAD is empty."""
    name = f"TEST-{secrets.token_hex(4)}"
    await bus.declare(js, bus.stream(name, f"{name}.>"), bus.DEAD)
    await js.purge_stream("DEAD")
    yield name
    with contextlib.suppress(nats.js.errors.NotFoundError):
        await js.delete_stream(name)


@pytest.fixture
def blobs(stores: Stores) -> Blobs:
    access_key, secret_key = stores.s3.keys["operator"]
    return Blobs(
        Store(
            endpoint=f"http://{stores.s3.endpoint}",
            public_endpoint=f"http://localhost:{stores.s3.ports['s3']}",
            region=stores.s3.region,
            bucket=stores.s3.bucket,
            access_key=access_key,
            secret_key=SecretStr(secret_key),
        )
    )
