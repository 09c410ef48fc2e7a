"""Runs SQL on the tables of a service."""

from typing import Any

import sqlalchemy as sa

from common.db import Sessions


class Tables:
    """A base class of harnesses whose tests read or change tables directly."""

    sessions: Sessions

    async def rows(self, statement: str, **values: object) -> list[sa.Row[Any]]:
        async with self.sessions.begin() as session:
            connection = await session.connection()
            return list((await connection.execute(sa.text(statement), values)).all())

    async def change(self, statement: str, **values: object) -> None:
        async with self.sessions.begin() as session:
            await (await session.connection()).execute(sa.text(statement), values)
