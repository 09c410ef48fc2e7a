"""The images service and billing in this process, each with a real server and database.

Tests sign their own internal tokens, so auth does not run.
"""

import asyncio
import contextlib
import secrets
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from google.protobuf.descriptor import ServiceDescriptor
from nats.js import JetStreamContext

from billing import plans
from billing import rpc as billing_rpc
from common import bus, db, rpc
from common.blobs import Blobs
from common.channel import Channel
from common.db import Sessions, now
from common.identity import Verifier
from common.metrics import Readiness
from images import rpc as images_rpc
from images.domain import jobs
from images.events import EVENTS
from images.formats.parsers import Parsers
from images.operations.dead_letters import DeadLetters
from images.settings import Settings
from images.submissions import Submissions
from images.tables import Batch, Image, Outbox
from images.uploads.batch import BatchUploads
from images.uploads.intake import ServiceContext
from images.uploads.intents import Intents
from images.uploads.single import Uploads
from loupe.billing.v1 import billing_pb2, billing_pb2_grpc
from loupe.images.v1 import images_pb2, images_pb2_grpc
from loupe_local.services import services
from loupe_local.stores import Stores
from tests.internal_tokens import TokenIssuer

if TYPE_CHECKING:
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

IMAGES = images_pb2.DESCRIPTOR.services_by_name["ImagesService"]
BILLING = billing_pb2.DESCRIPTOR.services_by_name["BillingService"]
ABILITIES = ("images:read", "images:write", "images:delete")
RULES = jobs.Rules(window=2, attempts=3, silent_after=timedelta(seconds=20))


@dataclass
class Harness:
    """The parts of the images service that a test may inspect or replace."""

    sessions: Sessions
    billing_sessions: Sessions
    settings: Settings
    blobs: Blobs
    tokens: TokenIssuer
    billing: "BillingServiceAsyncStub"
    js: JetStreamContext
    parsers: Parsers
    target: str = ""
    channels: list[Channel] = field(default_factory=list[Channel])

    def user(self, user_id: int = 1, *abilities: str) -> "ImagesServiceAsyncStub":
        """Return a stub of a user. The user has all abilities if none are named."""
        return self.with_token(self.tokens.user(user_id, *(abilities or ABILITIES)))

    def service(self, name: str = "inference") -> "ImagesServiceAsyncStub":
        return self.with_token(self.tokens.service(name, "images"))

    def with_token(self, token: str) -> "ImagesServiceAsyncStub":
        return images_pb2_grpc.ImagesServiceStub(self._channel(self.target, IMAGES, token).grpc)

    @property
    def context(self) -> ServiceContext:
        return ServiceContext(
            self.sessions,
            self.blobs,
            self.billing,
            self.settings,
            RULES,
            self.parsers,
            Intents(self.sessions, self.blobs, self.billing),
            Submissions(self.sessions),
        )

    def uploads(self, **replaced: Any) -> Uploads:
        return Uploads(replace(self.context, **replaced))

    def batch_uploads(self, **replaced: Any) -> BatchUploads:
        return BatchUploads(replace(self.context, **replaced))

    def blobs_at(self, endpoint: str) -> Blobs:
        return Blobs(self.settings.model_copy(update={"s3_endpoint": endpoint}).store())

    def billing_at(self, target: str) -> "BillingServiceAsyncStub":
        token = self.tokens.service("images", "billing")
        return billing_pb2_grpc.BillingServiceStub(self._channel(target, BILLING, token).grpc)

    def _channel(self, target: str, service: ServiceDescriptor, token: str) -> Channel:
        async def source() -> str:
            return token

        self.channels.append(Channel(target, service, source))
        return self.channels[-1]


@contextlib.asynccontextmanager
async def run_harness(stores: Stores) -> AsyncGenerator[Harness]:
    """Run both services, each on a free port, with migrated databases and the plans that we ship."""
    ours = services(stores, {})
    await asyncio.gather(ours.migrate("images"), ours.migrate("billing"))
    environment = ours.environment("images")
    values = {name.removeprefix("IMAGES_").lower(): value for name, value in environment.items()}
    settings = Settings(**values)  # pyright: ignore[reportArgumentType]  pydantic parses the texts
    engines = [db.engine(stores.database_url(name)) for name in ("images", "billing")]
    tokens = TokenIssuer()
    async with contextlib.AsyncExitStack() as until_end:
        nats = await until_end.enter_async_context(
            bus.connection(stores.nats_url("operator"), "tests", Readiness())
        )
        harness = Harness(
            sessions=db.sessions(engines[0]),
            billing_sessions=db.sessions(engines[1]),
            settings=settings,
            blobs=Blobs(settings.store()),
            tokens=tokens,
            billing=None,  # pyright: ignore[reportArgumentType]  set below, once its server runs
            js=nats.jetstream(),
            parsers=Parsers(2),
        )
        await bus.declare(harness.js, EVENTS, bus.DEAD)
        billing = rpc.Server(Verifier("billing", tokens.jwks), billing_rpc.CALLERS)
        billing_pb2_grpc.add_BillingServiceServicer_to_server(
            billing_rpc.BillingService(harness.billing_sessions, plans.load(""), 3600), billing.grpc
        )
        harness.billing = harness.billing_at(await until_end.enter_async_context(serve(billing)))
        images = rpc.Server(Verifier("images", tokens.jwks), images_rpc.CALLERS)
        service = images_rpc.ImagesService(harness.context, DeadLetters(harness.js, harness.context))
        images_pb2_grpc.add_ImagesServiceServicer_to_server(service, images.grpc)
        harness.target = await until_end.enter_async_context(serve(images))
        yield harness
        await harness.parsers.aclose()
        for channel in harness.channels:
            await channel.close()
    for engine in engines:
        await engine.dispose()


@contextlib.asynccontextmanager
async def serve(server: rpc.Server) -> AsyncGenerator[str]:
    """Run the server in the background, and yield its address."""
    port = server.bind("127.0.0.1:0")
    running = asyncio.create_task(server.serve())
    yield f"127.0.0.1:{port}"
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def delete_everything(harness: Harness) -> None:
    """Delete all rows and objects of earlier tests."""
    async with harness.sessions.begin() as session:
        tables = sa.text(
            "TRUNCATE batch, image, former_user, offered_model, worker, undecodable, upload_intent, "
            "direct_upload, image_source, idempotency_key, outbox, client_event RESTART IDENTITY"
        )
        await (await session.connection()).execute(tables)
    async with harness.billing_sessions.begin() as session:
        tables = sa.text("TRUNCATE subscription, quota, reservation, outbox")
        await (await session.connection()).execute(tables)
    await harness.blobs.delete(await list_keys(harness))


async def list_keys(harness: Harness) -> list[str]:
    """Return the keys of all originals and results in the store, sorted."""
    client, bucket = harness.blobs._client, harness.settings.s3_bucket
    found = await asyncio.to_thread(
        lambda: [str(one.object_name) for one in client.list_objects(bucket, "images/", recursive=True)]
    )
    return sorted(key for key in found if not key.endswith("/"))


async def insert_image(sessions: Sessions, user_id: int = 1, **fields: Any) -> Image:
    """Insert an image as an accepted upload does. It has 4 x 3 pixels and scale factor 2."""
    async with sessions.begin() as session:
        image = build_image(user_id, **fields)
        session.add(image)
    return image


def build_image(user_id: int = 1, **fields: Any) -> Image:
    stem = secrets.token_hex(16)
    defaults: dict[str, Any] = {
        "original_filename": "photo.png",
        "original_path": f"images/originals/{stem}.png",
        "original_bytes": 100,
        "original_width": 4,
        "original_height": 3,
        "upscaled_path": f"images/upscaled/{stem}.png",
        "upscaled_format": "PNG",
        "upscaled_width": 8,
        "upscaled_height": 6,
        "scale_factor": 2,
        "api_request": True,
        "is_priority": False,
        "reservation_id": uuid.uuid4(),
        "reserved_until": now() + timedelta(hours=1),
    }
    return Image(user_id=user_id, **(defaults | fields))


async def insert_batch(
    sessions: Sessions, count: int = 3, user_id: int = 1, **fields: Any
) -> tuple[Batch, list[Image]]:
    """Insert a batch with `count` images, as an accepted upload does."""
    defaults: dict[str, Any] = {"scale_factor": 2, "total_images": count}
    async with sessions.begin() as session:
        batch = Batch(user_id=user_id, **(defaults | fields))
        session.add(batch)
    return batch, [await insert_image(sessions, user_id, batch_id=batch.id) for _ in range(count)]


async def read_image(sessions: Sessions, image_id: int | None) -> Image:
    async with sessions.begin() as session:
        found = await session.get(Image, image_id)
    assert found is not None
    return found


async def read_events(sessions: Sessions) -> list[tuple[str, bytes]]:
    """Return subject and payload of each event in the outbox, oldest first."""
    async with sessions.begin() as session:
        rows = await (await session.connection()).execute(
            sa.select(sa.column("subject"), sa.column("payload"))
            .select_from(sa.table(Outbox.__tablename__))  # pyright: ignore[reportArgumentType]
            .order_by(sa.column("id"))
        )
    return [(subject, payload) for subject, payload in rows.all()]


async def poll(condition: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)
