"""The stream of billing's events, and what it makes of how images ended and of users who left."""

import uuid

from google.protobuf.message import DecodeError

from billing.domain import quotas, subscriptions
from common import bus, messages
from common.db import Sessions
from loupe.auth.v1 import auth_pb2
from loupe.images.v1 import images_pb2

STREAM = bus.stream("BILLING", "billing.>")
COMPLETED = messages.Consumer(stream="IMAGES", durable="billing-capture", subjects=("images.completed",))
NOT_COMPLETED = messages.Consumer(
    stream="IMAGES", durable="billing-release", subjects=("images.failed", "images.cancelled")
)
USER_DELETED = messages.Consumer(stream="AUTH", durable="billing-users", subjects=("auth.user_deleted",))


class Endings:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def completed(self, data: bytes) -> None:
        reservation_id = reservation_of(data)
        async with self._sessions.begin() as session:
            await quotas.capture(session, [reservation_id])

    async def not_completed(self, data: bytes) -> None:
        reservation_id = reservation_of(data)
        async with self._sessions.begin() as session:
            await quotas.release(session, [reservation_id])

    async def expire(self) -> None:
        async with self._sessions.begin() as session:
            await quotas.expire(session)


class Users:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def deleted(self, data: bytes) -> None:
        """The subscription goes. Counts and ledger stay: they are the books, and say nothing of a person."""
        event = auth_pb2.UserDeleted.FromString(data)
        async with self._sessions.begin() as session:
            await subscriptions.remove(session, event.user_id)


def reservation_of(data: bytes) -> uuid.UUID:
    try:
        return uuid.UUID(images_pb2.ImageEnded.FromString(data).reservation_id)
    except (DecodeError, ValueError) as error:
        raise messages.Unprocessable(f"no reservation in it: {error}") from error
