"""PostgreSQL through psycopg 3: an engine, sessions whose objects stay usable after the commit, and the
naming rules.
"""

from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.sql import text
from sqlmodel.ext.asyncio.session import AsyncSession

from common import metrics, process

Sessions = async_sessionmaker[AsyncSession]

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def engine(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """`url` as in `postgresql+psycopg://role:password@host:5432/name`. A dead connection is noticed before it
    is used.
    """
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,  # errors are logged, and parameters hold hashes and addresses
        connect_args={"connect_timeout": 5},
    )


def sessions(source: AsyncEngine) -> Sessions:
    return async_sessionmaker(source, class_=AsyncSession, expire_on_commit=False)


async def wait(source: AsyncEngine, readiness: metrics.Readiness) -> None:
    """Until the database answers and holds a schema."""

    async def ping() -> None:
        async with source.connect() as connection:
            await connection.execute(text("SELECT version_num FROM alembic_version"))

    await process.wait_for("database", ping)
    readiness.have("database")


def text_enum(states: type[StrEnum]) -> sa.Enum:
    """Stored as its text, so that a new value needs no change of type."""
    return sa.Enum(states, native_enum=False, length=16, values_callable=_values)


def _values(states: type[StrEnum]) -> list[str]:
    return [state.value for state in states]


def now() -> datetime:
    return datetime.now(UTC)
