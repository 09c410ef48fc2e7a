"""Which models clients may ask for, as the workers announce it.

One that is not announced any more is gone only after a while: a rollout has workers of both kinds, and of
two that start the one that has it may be the second. Where no worker runs, all stays as it was.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.catalogue import AUTO, MODELS, USUAL, Model
from images.tables import OfferedModel

ONE_WORKER_AT_A_TIME = sa.text("LOCK TABLE offered_model IN SHARE ROW EXCLUSIVE MODE")
"""Else two that announce the same rows could wait for each other."""


async def announce(session: AsyncSession, offers: Mapping[str, Sequence[str]]) -> None:
    """What one worker serves: each model's name, and the networks that it is made of."""
    connection = await session.connection()
    await connection.execute(ONE_WORKER_AT_A_TIME)
    for name, nets in offers.items():
        told = {"nets": list(nets), "announced_at": now(), "missing_since": None}
        row = insert(OfferedModel).values(name=name, **told)
        await connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=told))
    await session.exec(
        update(OfferedModel)
        .where(col(OfferedModel.name).not_in(offers), col(OfferedModel.missing_since).is_(None))
        .values(missing_since=now())
    )


async def served(session: AsyncSession, gone_after: timedelta) -> list[tuple[Model, Sequence[str]]]:
    """Each with the networks that were announced. Before the first announcement: what every worker has.

    Names that only a newer release knows are left out.
    """
    rows = await session.exec(select(OfferedModel.name, OfferedModel.nets, OfferedModel.missing_since))
    found = rows.all()
    gone = now() - gone_after
    offered = {name: nets for name, nets, missing in found if missing is None or missing > gone}
    there = {AUTO: list[str](), **offered} if found else {name: list[str]() for name in USUAL}
    return [(model, there[model.name]) for model in MODELS if model.name in there]


async def names(session: AsyncSession, gone_after: timedelta) -> list[str]:
    return [model.name for model, _ in await served(session, gone_after)]
