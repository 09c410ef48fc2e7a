"""The stream of billing's events, and what it makes of how images ended."""

import uuid

from google.protobuf.message import DecodeError

from billing.domain import quotas
from common import bus
from common.db import Sessions
from loupe.images.v1 import images_pb2

STREAM = bus.stream("BILLING", "billing.>")
COMPLETED = bus.Consumer(stream="IMAGES", durable="billing-capture", subjects=("images.completed",))
NOT_COMPLETED = bus.Consumer(
    stream="IMAGES", durable="billing-release", subjects=("images.failed", "images.cancelled")
)


class Endings:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def completed(self, data: bytes) -> None:
        reservation_id = reservation_of(data)
        async with self._sessions.begin() as session:
            await quotas.capture(session, reservation_id)

    async def not_completed(self, data: bytes) -> None:
        reservation_id = reservation_of(data)
        async with self._sessions.begin() as session:
            await quotas.release(session, reservation_id)

    async def expire(self) -> None:
        async with self._sessions.begin() as session:
            await quotas.expire(session)


def reservation_of(data: bytes) -> uuid.UUID:
    try:
        return uuid.UUID(images_pb2.ImageEnded.FromString(data).reservation_id)
    except (DecodeError, ValueError) as error:
        raise bus.Unprocessable(f"no reservation in it: {error}") from error
