"""The models that clients may request, as the workers announce them.

A model stays available for a while after its last announcement. During a rollout, workers with and without
the model announce themselves in turn, and while workers start, the first one may lack the model. While no
worker runs, nothing changes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.catalogue import ALWAYS_SERVED, AUTO
from images.tables import AnnouncedModel
from loupe.images.v1.known_models import KNOWN_MODELS, KnownModel

ONE_WORKER_AT_A_TIME = sa.text("LOCK TABLE offered_model IN SHARE ROW EXCLUSIVE MODE")
"""Without this lock, two workers that announce the same models could wait for each other for ever."""
KNOWN = {model.name: model for model in KNOWN_MODELS}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The description of a model for clients. `network`, `source` and `licence` are empty for `auto`."""

    description: str
    best_for: str
    network: str = ""
    source: str = ""
    licence: str = ""
    scales: Sequence[int] = ()
    """The scale factors that it supports. Empty means all."""
    title: str = ""
    """The name for people of a model that the operator has added."""
    commercial_use: bool | None = None
    """Whether the licence allows commercial use. None if no worker has said so."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A model as one worker announces it."""

    name: str
    networks: Sequence[str]
    facts: ModelFacts | None
    """None from workers of the previous release, which announce names only."""


async def announce(session: AsyncSession, announcements: Sequence[Announcement]) -> None:
    """Store the models that one worker serves, and note since when any other model is missing."""
    connection = await session.connection()
    await connection.execute(ONE_WORKER_AT_A_TIME)
    for model in announcements:
        values = {
            "nets": list(model.networks),
            "announced_at": now(),
            "missing_since": None,
            "facts": asdict(model.facts) if model.facts else None,
        }
        row = insert(AnnouncedModel).values(name=model.name, **values)
        await connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))
    await session.exec(
        update(AnnouncedModel)
        .where(
            col(AnnouncedModel.name).not_in([model.name for model in announcements]),
            col(AnnouncedModel.missing_since).is_(None),
        )
        .values(missing_since=now())
    )


async def served_models(session: AsyncSession, gone_after: timedelta) -> dict[str, ModelFacts]:
    """Return the models that are served, by name, `auto` first.

    Before the first announcement, return the models that every worker serves. Leave out a model without facts
    that this release does not know.
    """
    rows = (await session.exec(select(AnnouncedModel))).all()
    gone_since = now() - gone_after
    found = {
        name: facts for name in (ALWAYS_SERVED if not rows else (AUTO,)) if (facts := _known_facts(name, ()))
    }
    for row in rows:
        is_gone = row.missing_since is not None and row.missing_since <= gone_since
        facts = _announced_facts(row) or _known_facts(row.name, row.nets)
        if facts and not is_gone:
            found[row.name] = facts
    order = [*KNOWN, *sorted(found.keys() - KNOWN.keys())]
    return {name: found[name] for name in order if name in found}


async def served_names(session: AsyncSession, gone_after: timedelta) -> list[str]:
    """Return the names of the models that are served, `auto` first."""
    return list(await served_models(session, gone_after))


def _announced_facts(row: AnnouncedModel) -> ModelFacts | None:
    """Return the facts of a row. Ignore fields that only a newer release knows."""
    facts = row.facts
    return (
        ModelFacts(**{name: facts[name] for name in ModelFacts.__slots__ if name in facts}) if facts else None
    )


def _known_facts(name: str, announced: Sequence[str]) -> ModelFacts | None:
    """Return what this release knows about the model, or None if it does not know the model.

    If a model has several networks, return the facts about the first one that was announced.
    """
    model: KnownModel | None = KNOWN.get(name)
    if model is None:
        return None
    networks = {network.name: network for network in model.networks}
    network = next((networks[each] for each in (*announced, *networks) if each in networks), None)
    if network is None:
        return ModelFacts(model.description, model.best_for, commercial_use=True)
    return ModelFacts(
        model.description,
        model.best_for,
        network.title,
        network.source,
        network.licence,
        commercial_use=True,
    )
