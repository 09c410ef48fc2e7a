"""Wires billing together and runs it."""

import functools

from billing import events, plans
from billing.domain import quota_metrics
from billing.rpc import CALLERS, BillingService
from billing.settings import Settings
from common import bus, db, log, metrics, outbox, process, rpc, tls, trace
from common.audit import STREAM
from common.credentials import Credentials
from common.settings_in_force import in_force
from common.streams import Streams
from loupe.billing.v1 import billing_pb2_grpc

EXPIRE_EVERY_SECONDS = 30.0


async def run() -> None:
    settings = Settings()  # pyright: ignore[reportCallIssue]  the environment fills it
    log.setup("billing", level=settings.log_level, readable=settings.log_readable)
    trace.setup("billing")
    metrics.setup("billing")
    readiness = metrics.Readiness("database", "broker", "streams")
    await process.run(
        metrics.serve(settings.metrics_listen, readiness),
        tls.end_when_renewed(settings.tls),
        serve(settings, readiness),
    )


async def serve(settings: Settings, readiness: metrics.Readiness) -> None:
    engine = db.engine(settings.database_url)
    await db.wait_until_ready(engine, readiness)
    sessions = db.sessions(engine)
    credentials = Credentials(settings.auth_target, tls=settings.tls)
    server = rpc.Server(credentials.verifier("billing"), CALLERS)
    offered, seconds = plans.load(settings.plans_file), settings.reservation_seconds
    service = BillingService(sessions, offered, seconds, in_force(settings))
    billing_pb2_grpc.add_BillingServiceServicer_to_server(service, server.grpc)
    server.bind(settings.listen, settings.tls)
    outcomes, deleted_users = events.ImageOutcomes(sessions), events.DeletedUsers(sessions)
    async with bus.connection(settings.nats_url, "billing", readiness, settings.broker_login) as nc:
        js = nc.jetstream()
        replicas = settings.nats_replicas
        streams = Streams(js, readiness, events.EVENTS, shared=(bus.DEAD, STREAM), replicas=replicas)
        await streams.declare()
        await process.run_together(
            server.serve(),
            streams.keep_declared(),
            outbox.relay(sessions, js, settings.database_url),
            bus.consume(js, events.COMPLETED, outcomes.capture),
            bus.consume(js, events.NOT_COMPLETED, outcomes.release),
            bus.consume(js, events.USER_DELETED, deleted_users.remove_subscription),
            process.every(EXPIRE_EVERY_SECONDS, outcomes.expire_reservations),
            metrics.keep_updated("reservations", functools.partial(update_gauges, sessions)),
        )


async def update_gauges(sessions: db.Sessions) -> None:
    async with sessions.begin() as session:
        await quota_metrics.update_gauges(session)


if __name__ == "__main__":
    process.main(run)
