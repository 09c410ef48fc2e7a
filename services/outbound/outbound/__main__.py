"""Wires outbound together and runs it."""

import functools
from datetime import timedelta

from common import bus, db, log, metrics, outbox, process, rpc, tls, trace
from common.audit import STREAM
from common.channel import Channel
from common.credentials import Credentials
from common.settings_in_force import in_force
from common.streams import Streams
from loupe.images.v1 import images_pb2, images_pb2_grpc
from loupe.outbound.v1 import outbound_pb2_grpc
from outbound import events, group_commit
from outbound.addresses import Addresses
from outbound.deliverer import Deliverer
from outbound.domain import delivery_log, overdue, signing_secrets
from outbound.fetches import Fetches
from outbound.guard.client import Client
from outbound.guard.names import Names
from outbound.rpc import CALLERS, OutboundService
from outbound.settings import Settings
from outbound.signing import Cipher

CLEAN_SECONDS = 600.0
"""Time between two deletions of old deliveries."""


async def run() -> None:
    settings = Settings()  # pyright: ignore[reportCallIssue]  the environment fills it
    log.setup("outbound", level=settings.log_level, readable=settings.log_readable)
    trace.setup("outbound")
    metrics.setup("outbound")
    readiness = metrics.Readiness("database", "broker", "streams")
    await process.run(
        metrics.serve(settings.metrics_listen, readiness),
        tls.end_when_renewed(settings.tls),
        serve(settings, readiness),
    )


async def serve(settings: Settings, readiness: metrics.Readiness) -> None:
    engine = db.engine(settings.database_url)
    await db.wait_until_ready(engine, readiness)
    sessions, cipher = db.sessions(engine), Cipher(*settings.key_secrets())
    if settings.previous_secret:
        async with sessions.begin() as session:
            await signing_secrets.encrypt_again(session, cipher)
    credentials = Credentials(settings.auth_target, "outbound", settings.client_secret, tls=settings.tls)
    service = images_pb2.DESCRIPTOR.services_by_name["ImagesService"]
    channel = Channel(settings.images_target, service, credentials.token_for("images"), tls=settings.tls)
    images = images_pb2_grpc.ImagesServiceStub(channel.grpc)
    policy, names = settings.policy(), Names(settings.nameservers)
    client = Client(policy, names, settings.ca_file)
    deliverer = Deliverer(sessions, images, client, cipher, settings, db.now)
    server = rpc.Server(credentials.verifier("outbound"), CALLERS)
    fetches, addresses = Fetches(client, settings.fetch_seconds), Addresses(policy, names)
    servicer = OutboundService(sessions, addresses, fetches, cipher, db.now, in_force(settings))
    outbound_pb2_grpc.add_OutboundServiceServicer_to_server(servicer, server.grpc)
    server.bind(settings.listen, settings.tls)
    client_events = events.ClientEvents(sessions, images, db.now)
    deleted_users, restored = events.DeletedUsers(sessions), events.RestoredAddresses(sessions)
    async with bus.connection(settings.nats_url, "outbound", readiness, settings.broker_login) as nc:
        js = nc.jetstream()
        shared, replicas = (bus.DEAD, STREAM), settings.nats_replicas
        streams = Streams(js, readiness, events.EVENTS, shared=shared, replicas=replicas)
        await streams.declare()
        await process.run_together(
            server.serve(),
            streams.keep_declared(),
            outbox.relay(sessions, js, settings.database_url),
            bus.consume(js, events.CLIENT_EVENTS, client_events.fan_out, parallel=group_commit.MOST),
            bus.consume(js, events.USER_DELETED, deleted_users.delete_everything),
            bus.consume(js, events.ADDRESS_RESTORED, restored.disable_webhooks),
            deliverer.run(settings.database_url),
            process.every(CLEAN_SECONDS, functools.partial(delete_old, sessions, settings.log_days)),
            metrics.keep_updated("deliveries", functools.partial(update_gauges, sessions)),
        )
    await channel.close()


async def delete_old(sessions: db.Sessions, log_days: int) -> None:
    may_be_more = True
    while may_be_more:
        async with sessions.begin() as session:
            may_be_more = await delivery_log.delete_old(session, db.now(), timedelta(days=log_days))


async def update_gauges(sessions: db.Sessions) -> None:
    async with sessions.begin() as session:
        await overdue.update_gauges(session, db.now())


if __name__ == "__main__":
    process.main(run)
