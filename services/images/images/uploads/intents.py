"""Writes down what an upload is about to reserve and to store, so that an interrupted one is undone.

The note of an upload is written before its effects. The transaction that inserts the rows of the images
deletes it. So a process that finds a note that nobody keeps alive knows that there are no rows, and undoes
the upload. A process that was frozen meanwhile finds its note gone, and refuses the upload.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import insert
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors, log, process
from common.blobs import Blobs
from common.db import Sessions
from images.upload_tables import UploadIntent
from loupe.billing.v1 import billing_pb2

if TYPE_CHECKING:
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub

LOG = log.get(__name__)
ALIVE = timedelta(seconds=20)
"""The time for which a process's notes stay alive, by the database's clock. It renews them."""
RENEW_SECONDS = 5.0
UNDO_SECONDS = 5.0
"""Time between two searches for notes that nobody keeps alive."""
UNDONE_AT_ONCE = 100
RESERVED_SECONDS = 600
"""The time for which a place is reserved while its image has no row. Later the sweep renews it."""


@dataclass(slots=True)
class Intent:
    """The note of one upload."""

    user_id: int
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    reservation_ids: list[uuid.UUID] = field(default_factory=list[uuid.UUID])
    object_keys: list[str] = field(default_factory=list[str])
    is_written: bool = False
    """Whether there may be a note in the database."""
    was_undone: bool = False
    """Whether another process has undone the upload, which may have had more effects since."""
    is_reserving: bool = False
    """Whether billing may still be reserving the places. It is then too early to undo the upload."""


class Intents:
    """The notes of this process's uploads, and the search for those that other processes left."""

    def __init__(self, sessions: Sessions, blobs: Blobs, billing: "BillingServiceAsyncStub") -> None:
        self._sessions = sessions
        self._blobs = blobs
        self._billing = billing
        self._alive = set[uuid.UUID]()

    async def add(
        self, intent: Intent, reservation_ids: Sequence[uuid.UUID] = (), object_keys: Sequence[str] = ()
    ) -> None:
        """Note what is about to be reserved and stored. Raise `Unavailable` if the upload was undone."""
        intent.reservation_ids += reservation_ids
        intent.object_keys += object_keys
        async with self._sessions.begin() as session:
            if not intent.is_written:
                intent.is_written = True
                self._alive.add(intent.id)
                await _insert(session, intent)
                return
            changed = await session.exec(
                update(UploadIntent)
                .where(col(UploadIntent.id) == intent.id)
                .values(
                    reservation_ids=intent.reservation_ids,
                    object_keys=intent.object_keys,
                    alive_until=sa.func.now() + ALIVE,
                )
            )
            if not changed.rowcount:
                raise _undone(intent)

    async def complete(self, session: AsyncSession, intent: Intent) -> None:
        """Delete the note, in the transaction that inserts the rows. Raise `Unavailable` if it was undone."""
        deleted = await session.exec(delete(UploadIntent).where(col(UploadIntent.id) == intent.id))
        if not deleted.rowcount:
            raise _undone(intent)

    def leave(self, intent: Intent) -> None:
        """Keep the note alive no longer. If it is still there, the upload will be undone."""
        self._alive.discard(intent.id)

    async def undo(self, intent: Intent) -> None:
        """Undo a failed upload now. If that is not possible, it is tried again later."""
        self.leave(intent)
        if not intent.is_written or intent.is_reserving:
            return
        try:
            if intent.was_undone:
                intent.id, intent.was_undone = uuid.uuid4(), False
                async with self._sessions.begin() as session:
                    await _insert(session, intent)
            await self._undo(intent.id)
        except Exception as error:  # noqa: BLE001  the note stays, whatever went wrong
            LOG.warning(
                "a failed upload is not undone yet",
                user_id=intent.user_id,
                error=log.error_text(error),
                action="trying again every 5 s",
            )

    async def keep_alive(self) -> None:
        """Keep the notes of uploads under way alive until cancelled."""
        await process.every(RENEW_SECONDS, self.renew)

    async def undo_abandoned(self) -> None:
        """Look for notes that nobody keeps alive until cancelled, and undo their uploads."""
        await process.every(UNDO_SECONDS, self.sweep)

    async def sweep(self) -> None:
        """Undo the uploads whose notes nobody keeps alive. One that fails does not hold up the others."""
        async with self._sessions.begin() as session:
            found = await session.exec(
                select(UploadIntent.id)
                .where(col(UploadIntent.alive_until) < sa.func.now())
                .order_by(col(UploadIntent.alive_until))
                .limit(UNDONE_AT_ONCE)
            )
            abandoned = found.all()
        failures = list[Exception]()
        for intent_id in abandoned:
            try:
                await self._undo(intent_id)
            except Exception as error:  # noqa: BLE001  the next round tries again
                failures.append(error)
        if undone := len(abandoned) - len(failures):
            LOG.info("interrupted uploads are undone", count=undone)
        if failures:
            raise failures[0]

    async def renew(self) -> None:
        """Keep the notes of this process's uploads alive for another 20 s."""
        if not self._alive:
            return
        async with self._sessions.begin() as session:
            await session.exec(
                update(UploadIntent)
                .where(col(UploadIntent.id).in_(self._alive))
                .values(alive_until=sa.func.now() + ALIVE)
            )

    async def _undo(self, intent_id: uuid.UUID) -> None:
        """Give the places back, delete the objects, and then the note. Another process may be faster."""
        async with self._sessions.begin() as session:
            found = await session.exec(
                select(UploadIntent).where(UploadIntent.id == intent_id).with_for_update(skip_locked=True)
            )
            intent = found.one_or_none()
            if intent is None:
                return
            ids = [str(each) for each in intent.reservation_ids]
            steps = [self._billing.Release(billing_pb2.ReleaseRequest(reservation_ids=ids))] if ids else []
            steps += [self._blobs.delete(intent.object_keys)] if intent.object_keys else []
            for error in await asyncio.gather(*steps, return_exceptions=True):
                if isinstance(error, BaseException):
                    raise error
            await session.delete(intent)


async def _insert(session: AsyncSession, intent: Intent) -> None:
    await session.exec(
        insert(UploadIntent).values(
            id=intent.id,
            user_id=intent.user_id,
            reservation_ids=intent.reservation_ids,
            object_keys=intent.object_keys,
            alive_until=sa.func.now() + ALIVE,
        )
    )


def _undone(intent: Intent) -> errors.Unavailable:
    intent.was_undone = True
    return errors.Unavailable("the upload took too long and was undone", reason="service_unavailable")
