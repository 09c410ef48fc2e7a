"""Starts the images service."""

import functools
from collections.abc import Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING

from nats.js import JetStreamContext

from common import bus, db, log, metrics, outbox, process, rpc, tls, trace, walls
from common.audit import STREAM
from common.blobs import Blobs
from common.channel import Channel
from common.credentials import Credentials
from common.streams import Streams
from confinement.walls import protect_parent
from images import client_events, events, gauges, submissions
from images.domain import jobs
from images.fetcher import Fetcher
from images.formats.header import Limits
from images.formats.parsers import Parsers
from images.operations import expiry
from images.operations.dead_letters import DeadLetters
from images.operations.orphans import Orphans
from images.rpc import CALLERS, ImagesService
from images.settings import Settings
from images.submissions import Submissions
from images.uploads import direct
from images.uploads.intake import ServiceContext
from images.uploads.intents import Intents
from images.uploads.memory import UploadMemory
from loupe.billing.v1 import billing_pb2, billing_pb2_grpc
from loupe.images.v1 import images_pb2_grpc
from loupe.outbound.v1 import outbound_pb2, outbound_pb2_grpc

if TYPE_CHECKING:
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub


async def run() -> None:
    settings = Settings()  # pyright: ignore[reportCallIssue]  the environment fills it
    log.setup("images", level=settings.log_level, readable=settings.log_readable)
    trace.setup("images")
    metrics.setup("images")
    readiness = metrics.Readiness("database", "object store", "broker", "streams")
    await process.run(
        metrics.serve(settings.metrics_listen, readiness),
        tls.end_when_renewed(settings.tls),
        serve(settings, readiness),
    )


async def serve(settings: Settings, readiness: metrics.Readiness) -> None:
    """Open all clients, then serve and run the loops until cancelled."""
    engine = db.engine(settings.database_url)
    await db.wait_until_ready(engine, readiness)
    blobs = Blobs(settings.store())
    await process.wait_for("object store", blobs.ping)
    readiness.mark_ready("object store")
    sessions = db.sessions(engine)
    credentials = Credentials(settings.auth_target, "images", settings.client_secret, tls=settings.tls)
    billing = billing_pb2_grpc.BillingServiceStub(channel_to_billing(settings, credentials).grpc)
    outbound = outbound_pb2_grpc.OutboundServiceStub(channel_to_outbound(settings, credentials).grpc)
    context = await open_context(settings, sessions, blobs, billing)
    async with bus.connection(settings.nats_url, "images", readiness, settings.broker_login) as nc:
        js = nc.jetstream()
        owned = (events.QUEUE, events.EVENTS, events.RESULTS, client_events.STREAM, bus.DEAD)
        streams = Streams(js, readiness, *owned, shared=(STREAM,), replicas=settings.nats_replicas)
        await streams.declare()
        server = rpc.Server(credentials.verifier("images"), CALLERS)
        dead_letters = DeadLetters(js, context)
        images_pb2_grpc.add_ImagesServiceServicer_to_server(ImagesService(context, dead_letters), server.grpc)
        server.bind(settings.listen, settings.tls)
        await process.run_together(
            server.serve(),
            streams.keep_declared(),
            outbox.relay(sessions, js, settings.database_url),
            client_events.relay(sessions, nc, settings.database_url),
            Fetcher(context, outbound, settings.parallel_fetches).run(),
            context.intents.keep_alive(),
            context.intents.undo_abandoned(),
            context.submissions.keep_alive(),
            *consumers(js, context),
            *sweeps(js, context),
            metrics.keep_updated("images", functools.partial(gauges.update, sessions)),
            metrics.keep_updated("dead letters", dead_letters.measure),
        )


def consumers(js: JetStreamContext, context: ServiceContext) -> list[Coroutine[object, object, None]]:
    """Return the loops that handle messages of the broker, each to be awaited once."""
    sessions, rules = context.sessions, context.rules
    results = events.Results(sessions, context.blobs, rules)
    return [
        bus.consume(js, events.FINISHED, results.apply, parallel=2),
        bus.consume(js, events.DROPPED, results.delete_objects),
        bus.consume(js, events.USER_DELETED, events.Users(sessions, rules).delete_data),
    ]


def sweeps(js: JetStreamContext, context: ServiceContext) -> list[Coroutine[object, object, None]]:
    """Return the loops that look for what is lost, expired or old, each to be awaited once."""
    sessions, settings = context.sessions, context.settings
    lost_after = timedelta(seconds=settings.lost_after_seconds)
    sweeper = events.Sweeper(sessions, js, context.billing, context.rules, lost_after)
    orphans = Orphans(sessions, context.blobs, timedelta(seconds=settings.orphan_age_seconds))
    return [
        process.every(settings.sweep_seconds, sweeper.sweep),
        process.every(settings.sweep_seconds, functools.partial(direct.delete_expired, sessions)),
        process.every(settings.orphans_seconds, orphans.sweep),
        process.every(settings.orphans_seconds, functools.partial(client_events.delete_old, sessions)),
        process.every(submissions.SWEEP_SECONDS, functools.partial(submissions.delete_expired, sessions)),
        process.every(expiry.SECONDS, expiry.Expiry(sessions).sweep),
    ]


async def open_context(
    settings: Settings, sessions: db.Sessions, blobs: Blobs, billing: "BillingServiceAsyncStub"
) -> ServiceContext:
    """Return what the service works with. Announce the walls around the children that parse."""
    parsers = Parsers(settings.parsers)
    limits = Limits(settings.largest_input_pixels, settings.formats)
    walls.announce("parsing", {**protect_parent(), **await parsers.walls(limits)})
    return ServiceContext(
        sessions,
        blobs,
        billing,
        settings,
        job_rules(settings),
        parsers,
        Intents(sessions, blobs, billing),
        Submissions(sessions),
        UploadMemory(settings.upload_memory_bytes),
    )


def channel_to_billing(settings: Settings, credentials: Credentials) -> Channel:
    service = billing_pb2.DESCRIPTOR.services_by_name["BillingService"]
    token = credentials.token_for("billing")
    return Channel(settings.billing_target, service, token, tls=settings.tls)


def channel_to_outbound(settings: Settings, credentials: Credentials) -> Channel:
    service = outbound_pb2.DESCRIPTOR.services_by_name["OutboundService"]
    token = credentials.token_for("outbound")
    return Channel(settings.outbound_target, service, token, tls=settings.tls)


def job_rules(settings: Settings) -> jobs.Rules:
    return jobs.Rules(
        undecodable_per_hour=settings.undecodable_per_hour,
        window=settings.unfinished_per_user,
        attempts=settings.attempts,
        silent_after=timedelta(seconds=settings.worker_silent_seconds),
        model_gone_after=timedelta(seconds=settings.model_gone_seconds),
        fairness_secret=settings.fairness_secret,
    )


if __name__ == "__main__":
    process.main(run)
