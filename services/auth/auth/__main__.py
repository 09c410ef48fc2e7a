"""Wires auth together and runs it."""

from auth import events
from auth.key_ring import KeyRing
from auth.mail import Mailer
from auth.passwords import Hasher
from auth.rpc import CALLERS, AuthService
from auth.settings import Settings
from common import bus, db, log, metrics, outbox, process, rpc, tls, trace
from common.audit import STREAM
from common.identity import Verifier
from common.settings_in_force import in_force
from common.streams import Streams
from loupe.auth.v1 import auth_pb2_grpc

PARTITIONS_SECONDS = 3600.0
CALLS_PER_USER = 2
"""Changes of one user wait for each other in any case. More calls at a time would only hold connections."""


async def run() -> None:
    settings = Settings()  # pyright: ignore[reportCallIssue]  the environment fills it
    log.setup("auth", level=settings.log_level, readable=settings.log_readable)
    trace.setup("auth")
    metrics.setup("auth")
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
    ring = KeyRing(sessions, *settings.key_secrets())
    link_secret, *previous_link_secrets = settings.link_secrets()
    service = AuthService(
        sessions,
        ring,
        Hasher(settings.hashing_threads),
        clients=settings.clients,
        secret=link_secret,
        previous_secrets=previous_link_secrets,
        policy=settings.policy,
        settings=in_force(settings),
    )
    server = rpc.Server(Verifier("auth", ring.jwks), CALLERS, calls_per_user=CALLS_PER_USER)
    auth_pb2_grpc.add_AuthServiceServicer_to_server(service, server.grpc)
    server.bind(settings.listen, settings.tls)
    audit = events.Audit(sessions, settings.audit_days)
    mails = events.Mails(sessions, Mailer(settings), settings)
    async with bus.connection(settings.nats_url, "auth", readiness, settings.broker_login) as nc:
        js = nc.jetstream()
        replicas = settings.nats_replicas
        streams = Streams(js, readiness, events.EVENTS, STREAM, shared=(bus.DEAD,), replicas=replicas)
        await streams.declare()
        await process.run_together(
            server.serve(),
            streams.keep_declared(),
            outbox.relay(sessions, js, settings.database_url),
            bus.consume(js, events.MAIL_WANTED, mails.send),
            bus.consume(js, events.NOTICE_WANTED, mails.notify),
            bus.consume(js, events.WEBHOOK_DISABLED, mails.notify_of_webhook),
            bus.consume(js, events.WEBHOOK_ADDED, mails.notify_of_new_webhook),
            bus.consume(js, events.AUDIT, audit.store),
            process.every(PARTITIONS_SECONDS, audit.keep_partitions),
        )


if __name__ == "__main__":
    process.main(run)
