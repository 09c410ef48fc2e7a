"""Wires outbound together and runs it."""

from common import bus, db, log, metrics, outbox, process, rpc, tls, trace
from common.credentials import Credentials
from common.streams import Streams
from loupe.outbound.v1 import outbound_pb2_grpc
from outbound import events
from outbound.rpc import CALLERS, OutboundService
from outbound.settings import Settings


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
    sessions = db.sessions(engine)
    credentials = Credentials(settings.auth_target, "outbound", settings.client_secret, tls=settings.tls)
    server = rpc.Server(credentials.verifier("outbound"), CALLERS)
    outbound_pb2_grpc.add_OutboundServiceServicer_to_server(OutboundService(sessions), server.grpc)
    server.bind(settings.listen, settings.tls)
    deleted_users = events.DeletedUsers(sessions)
    async with bus.connection(settings.nats_url, "outbound", readiness) as nc:
        js = nc.jetstream()
        streams = Streams(js, readiness, events.EVENTS, shared=(bus.DEAD,), replicas=settings.nats_replicas)
        await streams.declare()
        await process.run_together(
            server.serve(),
            streams.keep_declared(),
            outbox.relay(sessions, js, settings.database_url),
            bus.consume(js, events.USER_DELETED, deleted_users.delete_everything),
        )


if __name__ == "__main__":
    process.main(run)
