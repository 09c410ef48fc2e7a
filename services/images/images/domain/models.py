"""Which models clients may ask for, as the workers announce them.

A model that is not announced any more is gone only after a while: during a rollout there are workers of both
kinds, and of two workers that start, the one that has the model may be the second. While no worker runs
nothing changes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.catalogue import AUTO, USUAL
from images.tables import OfferedModel
from loupe.images.v1.known_models import KNOWN_MODELS, KnownModel

ONE_WORKER_AT_A_TIME = sa.text("LOCK TABLE offered_model IN SHARE ROW EXCLUSIVE MODE")
"""Otherwise two workers that announce the same rows could wait for each other."""
KNOWN = {model.name: model for model in KNOWN_MODELS}


@dataclass(frozen=True, slots=True)
class Facts:
    """What clients see of a model. `network`, `source` and `licence` are empty for `auto`."""

    description: str
    best_for: str
    network: str = ""
    source: str = ""
    licence: str = ""
    scales: Sequence[int] = ()
    """Empty: all scales that images can have."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as one worker announces it."""

    name: str
    nets: Sequence[str]
    facts: Facts | None
    """None from workers of the release before, which announce names only."""


async def announce(session: AsyncSession, offers: Sequence[Offer]) -> None:
    """Remember what one worker serves."""
    connection = await session.connection()
    await connection.execute(ONE_WORKER_AT_A_TIME)
    for offer in offers:
        values = {
            "nets": list(offer.nets),
            "announced_at": now(),
            "missing_since": None,
            "facts": asdict(offer.facts) if offer.facts else None,
        }
        row = insert(OfferedModel).values(name=offer.name, **values)
        await connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))
    await session.exec(
        update(OfferedModel)
        .where(
            col(OfferedModel.name).not_in([offer.name for offer in offers]),
            col(OfferedModel.missing_since).is_(None),
        )
        .values(missing_since=now())
    )


async def served(session: AsyncSession, gone_after: timedelta) -> dict[str, Facts]:
    """Return the models that are served, by name, `auto` first. Before the first announcement: the usual
    ones.

    A model without facts that this release does not know is left out.
    """
    rows = (await session.exec(select(OfferedModel))).all()
    gone = now() - gone_after
    found = {name: facts for name in (USUAL if not rows else (AUTO,)) if (facts := _known_facts(name, ()))}
    for row in rows:
        is_gone = row.missing_since is not None and row.missing_since <= gone
        facts = _announced_facts(row) or _known_facts(row.name, row.nets)
        if facts and not is_gone:
            found[row.name] = facts
    order = [*KNOWN, *sorted(found.keys() - KNOWN.keys())]
    return {name: found[name] for name in order if name in found}


async def names(session: AsyncSession, gone_after: timedelta) -> list[str]:
    return list(await served(session, gone_after))


def _announced_facts(row: OfferedModel) -> Facts | None:
    """Return the facts of a row. Those that only a newer release knows are left out."""
    facts = row.facts
    return Facts(**{name: facts[name] for name in Facts.__slots__ if name in facts}) if facts else None


def _known_facts(name: str, nets: Sequence[str]) -> Facts | None:
    """Return what this release knows about the model; of several networks, about the first that was
    announced.
    """
    model: KnownModel | None = KNOWN.get(name)
    if model is None:
        return None
    networks = {network.name: network for network in model.networks}
    network = next((networks[net] for net in (*nets, *networks) if net in networks), None)
    if network is None:
        return Facts(model.description, model.best_for)
    return Facts(model.description, model.best_for, network.title, network.source, network.licence)
