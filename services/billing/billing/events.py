"""The stream of billing's events, and the consumers of image outcomes and deleted users."""

import uuid

from google.protobuf.message import DecodeError

from billing.domain import quotas, subscriptions
from common import bus, messages
from common.db import Sessions
from loupe.auth.v1 import auth_pb2
from loupe.images.v1 import images_pb2

EVENTS = bus.stream("BILLING", "billing.>")
COMPLETED = messages.Consumer(stream="IMAGES", durable="billing-capture", subjects=("images.completed",))
NOT_COMPLETED = messages.Consumer(
    stream="IMAGES", durable="billing-release", subjects=("images.failed", "images.cancelled")
)
USER_DELETED = messages.Consumer(stream="AUTH", durable="billing-users", subjects=("auth.user_deleted",))


class ImageOutcomes:
    """Captures or releases the reservations of images that have ended."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def capture(self, data: bytes) -> None:
        reservation_id = reservation_id_of(data)
        async with self._sessions.begin() as session:
            await quotas.capture(session, [reservation_id])

    async def release(self, data: bytes) -> None:
        reservation_id = reservation_id_of(data)
        async with self._sessions.begin() as session:
            await quotas.release(session, [reservation_id])

    async def expire_reservations(self) -> None:
        """Release reservations that no outcome reached in time. A periodic step calls this, not an event."""
        async with self._sessions.begin() as session:
            await quotas.expire(session)


class DeletedUsers:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def remove_subscription(self, data: bytes) -> None:
        """Remove the subscription. Counters and ledger stay: they hold no personal data."""
        event = auth_pb2.UserDeleted.FromString(data)
        async with self._sessions.begin() as session:
            await subscriptions.remove(session, event.user_id)


def reservation_id_of(data: bytes) -> uuid.UUID:
    """Return the reservation id of an `ImageEnded` event, or raise `Unprocessable`."""
    try:
        return uuid.UUID(images_pb2.ImageEnded.FromString(data).reservation_id)
    except (DecodeError, ValueError) as error:
        raise messages.Unprocessable(f"the event names no reservation: {error}") from error
