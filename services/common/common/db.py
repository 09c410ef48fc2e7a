"""PostgreSQL through psycopg 3: an engine, sessions whose objects stay usable after the commit, and the
naming rules.
"""

import contextlib
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

from common import metrics, process

Sessions = async_sessionmaker[AsyncSession]

RESTED_SECONDS = 1.0
"""A connection that was used this shortly ago is taken to be alive."""
LOCK_SECONDS = 5
"""A migration waits no longer for a table that somebody reads, a backup say: all others would wait behind
it.
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
    "Time until a connection is there and answers",
    ["outcome"],
    buckets=metrics.SECONDS_BUCKETS,
)
transaction_seconds = Histogram(
    "loupe_database_transaction_seconds",
    "Time that a transaction held its connection",
    ["outcome"],
    buckets=metrics.SECONDS_BUCKETS,
)


class _Pool(AsyncAdaptedQueuePool):
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
    """`url` as in `postgresql+psycopg://role:password@host:5432/name`. A dead connection is noticed before it
    is used.
    """
    made = create_async_engine(
        url,
        poolclass=_Pool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        hide_parameters=True,  # errors are logged, and parameters hold hashes and addresses
        connect_args={"connect_timeout": 5},
    )
    _ping_the_rested(made)
    _measure(made, pool_size)
    return made


def _ping_the_rested(source: AsyncEngine) -> None:
    """Before each use, as `pool_pre_ping` does, would be an eighth of all statements. The error goes to the
    pool, which then opens a new connection and drops all older ones.
    """
    dialect = source.sync_engine.dialect

    def ping(connection: Any, record: Any, _: Any) -> None:
        rested_at = record.info.get("rested_at")
        if rested_at is None or time.monotonic() - rested_at < RESTED_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise sqlalchemy.exc.InvalidatePoolError from error

    def rest(_: Any, record: Any) -> None:
        record.info["rested_at"] = time.monotonic()

    event.listen(source.sync_engine, "checkout", ping)
    event.listen(source.sync_engine, "checkin", rest)


def _measure(measured: AsyncEngine, limit: int) -> None:
    """A process has one engine; where a test has more, gauges are the newest one's."""
    engine = measured.sync_engine

    def pool() -> _Pool:
        assert isinstance(engine.pool, _Pool)  # noqa: S101  as we have made it
        return engine.pool

    def taken(_: Any, record: Any, __: Any) -> None:
        record.info.update(taken_at=time.perf_counter(), outcome="committed")

    def rolled_back(connection: sa.Connection) -> None:
        if not connection.invalidated:
            connection.info["outcome"] = "rolled back"

    def returned(connection: Any, record: Any) -> None:
        outcome = "rolled back" if connection is None else record.info.get("outcome")  # None: it was lost
        if taken_at := record.info.pop("taken_at", None):
            transaction_seconds.labels(outcome).observe(time.perf_counter() - taken_at)

    pool_limit.set(limit)
    pool_connections.labels("in use").set_function(lambda: pool().checkedout())
    pool_connections.labels("idle").set_function(lambda: pool().checkedin())
    event.listen(engine, "checkout", taken)
    event.listen(engine, "rollback", rolled_back)
    event.listen(engine, "checkin", returned)


def sessions(source: AsyncEngine) -> Sessions:
    return async_sessionmaker(source, class_=AsyncSession, expire_on_commit=False)


async def wait(source: AsyncEngine, readiness: metrics.Readiness) -> None:
    """Until the database answers and holds a schema."""

    async def ping() -> None:
        async with source.connect() as connection:
            await connection.execute(text("SELECT version_num FROM alembic_version"))

    await process.wait_for("database", ping)
    readiness.have("database")


def once_committed(session: AsyncSession, then: Callable[[], None]) -> None:
    """Calls `then` after the transaction's commit, and never where there is none: what is counted is done."""

    def committed(_: object) -> None:
        then()

    event.listen(session.sync_session, "after_commit", committed, once=True)


@contextlib.contextmanager
def migrating(url: str) -> Generator[sa.Connection]:
    """The one transaction of all migrations; whoever comes second waits until the first has ended. Where a
    table is in use for long it fails, and is to be tried again.
    """
    with sa.create_engine(url).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('alembic'))"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        yield connection


def text_enum(states: type[StrEnum]) -> sa.Enum:
    """Stored as its text, so that a new value needs no change of type."""
    return sa.Enum(states, native_enum=False, length=16, values_callable=_values)


def _values(states: type[StrEnum]) -> list[str]:
    return [state.value for state in states]


def now() -> datetime:
    return datetime.now(UTC)
