"""PostgreSQL through psycopg 3: engine, sessions, migrations and naming rules.

Rows stay usable after the commit, so that a servicer can make its response outside of the transaction.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
import sqlalchemy.exc
from prometheus_client import Gauge, Histogram
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection
from sqlalchemy.sql import text
from sqlmodel.ext.asyncio.session import AsyncSession

from common import metrics, process, rpc_failures
from loupe import refusals

Sessions = async_sessionmaker[AsyncSession]

rpc_failures.OUTAGES.update(
    dict.fromkeys(
        (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError, sqlalchemy.exc.TimeoutError),
        refusals.DATABASE_UNAVAILABLE,
    )
)

PING_AFTER_SECONDS = 1.0
"""A connection that was idle for longer than this is tested before it is used."""
LOCK_SECONDS = 5
"""How long a migration waits for a table that is in use, for example by a backup.

The limit is short because meanwhile all other queries of that table queue up behind the migration.
"""
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

pool_connections = Gauge("loupe_database_connections", "Connections to the database", ["state"])
pool_limit = Gauge("loupe_database_connections_limit", "Connections that the pool may open")
wait_seconds = Histogram(
    "loupe_database_wait_seconds",
    "Time to get a working connection",
    ["outcome"],
    buckets=metrics.SECONDS_BUCKETS,
)
transaction_seconds = Histogram(
    "loupe_database_transaction_seconds",
    "Time that a transaction held its connection",
    ["outcome"],
    buckets=metrics.SECONDS_BUCKETS,
)


class _MeasuredPool(AsyncAdaptedQueuePool):
    """A pool that measures how long callers wait for a connection."""

    def connect(self) -> PoolProxiedConnection:
        started, outcome = time.perf_counter(), "failed"
        try:
            connection = super().connect()
            outcome = "connected"
        except sqlalchemy.exc.TimeoutError:
            outcome = "timeout"
            raise
        finally:
            wait_seconds.labels(outcome).observe(time.perf_counter() - started)
        return connection


def engine(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """Return an engine that tests idle connections before it uses them.

    `url` has the form `postgresql+psycopg://role:password@host:5432/name`.
    """
    # SQLAlchemy names the logger after the class. Each error that it logs reaches a caller too.
    logging.getLogger(f"{_MeasuredPool.__module__}.{_MeasuredPool.__name__}").setLevel(logging.CRITICAL)
    engine = create_async_engine(
        url,
        poolclass=_MeasuredPool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        hide_parameters=True,  # errors are logged, and parameters hold password hashes and mail addresses
        connect_args={"connect_timeout": 5},
    )
    _ping_idle(engine)
    _measure(engine, pool_size)
    return engine


def _ping_idle(source: AsyncEngine) -> None:
    """Make the pool test a connection before its use if it has been idle.

    `pool_pre_ping` would test before each use, and those tests would be an eighth of all statements. If a
    test fails, the pool opens a new connection and drops all older ones.
    """
    dialect = source.sync_engine.dialect

    def ping(connection: Any, record: Any, _: Any) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < PING_AFTER_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise sqlalchemy.exc.InvalidatePoolError from error

    def mark_idle(_: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    event.listen(source.sync_engine, "checkout", ping)
    event.listen(source.sync_engine, "checkin", mark_idle)


def _measure(measured: AsyncEngine, limit: int) -> None:
    """Export the pool's connections and the duration of transactions.

    A service has one engine. If a test creates several, the gauges show the newest one.
    """
    engine = measured.sync_engine

    def pool() -> _MeasuredPool:
        assert isinstance(engine.pool, _MeasuredPool)  # noqa: S101  see `engine`
        return engine.pool

    def taken(_: Any, record: Any, __: Any) -> None:
        record.info.update(taken_at=time.perf_counter(), outcome="committed")

    def rolled_back(connection: sa.Connection) -> None:
        if not connection.invalidated:
            connection.info["outcome"] = "rolled back"

    def returned(connection: Any, record: Any) -> None:
        is_lost = connection is None
        outcome = "rolled back" if is_lost else record.info.get("outcome")
        if taken_at := record.info.pop("taken_at", None):
            transaction_seconds.labels(outcome).observe(time.perf_counter() - taken_at)

    pool_limit.set(limit)
    pool_connections.labels("in use").set_function(lambda: pool().checkedout())
    pool_connections.labels("idle").set_function(lambda: pool().checkedin())
    event.listen(engine, "checkout", taken)
    event.listen(engine, "rollback", rolled_back)
    event.listen(engine, "checkin", returned)


def sessions(source: AsyncEngine) -> Sessions:
    """Return the factory of sessions. Its `begin()` opens a session with its transaction."""
    return async_sessionmaker(source, class_=AsyncSession, expire_on_commit=False)


async def wait_until_ready(source: AsyncEngine, readiness: metrics.Readiness) -> None:
    """Wait until the database answers and has been migrated, then mark it as ready."""

    async def ping() -> None:
        async with source.connect() as connection:
            await connection.execute(text("SELECT version_num FROM alembic_version"))

    await process.wait_for("database", ping)
    readiness.mark_ready("database")


def on_commit(session: AsyncSession, callback: Callable[[], None]) -> None:
    """Call `callback` after the transaction has committed, and never if it rolls back."""

    def committed(_: object) -> None:
        callback()

    event.listen(session.sync_session, "after_commit", committed, once=True)


@contextlib.contextmanager
def migrating(url: str) -> Generator[sa.Connection]:
    """Yield a connection whose transaction contains all migrations.

    A second run waits until the first has ended. Raise `sqlalchemy.exc.OperationalError` if a table is in use
    for more than 5 s. Nothing has changed then, and the migration can be repeated.
    """
    with sa.create_engine(url).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('alembic'))"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        yield connection


def text_enum(states: type[StrEnum]) -> sa.Enum:
    """Return a column type that stores an enum as text, so that a new value needs no migration."""
    return sa.Enum(states, native_enum=False, length=16, values_callable=_values)


def _values(states: type[StrEnum]) -> list[str]:
    return [state.value for state in states]


def now() -> datetime:
    """Return the current time in UTC, with its time zone, as the database stores it."""
    return datetime.now(UTC)
