"""The stream of outbound's events, and the consumers of client events and of deleted users."""

from collections.abc import Callable
from datetime import datetime

from common import bus, messages, timestamps
from common.db import Sessions
from loupe.auth.v1 import auth_pb2
from loupe.contract import WEBHOOK_EVENTS
from loupe.images.v1 import images_pb2
from outbound.domain import users
from outbound.domain.fan_out import Event, fan_out

EVENTS = bus.stream("OUTBOUND", "outbound.>")
CLIENT_EVENTS = messages.Consumer(stream="CLIENT_EVENTS", durable="outbound-events", subjects=("events.>",))
USER_DELETED = messages.Consumer(stream="AUTH", durable="outbound-users", subjects=("auth.user_deleted",))


class ClientEvents:
    """Makes deliveries of events."""

    def __init__(self, sessions: Sessions, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._now = now

    async def fan_out(self, data: bytes) -> None:
        """Add the deliveries of one event, all in one transaction. A message that comes again adds none."""
        message = images_pb2.ClientEvent.FromString(data)
        if message.type not in WEBHOOK_EVENTS:
            return
        event = Event(
            id=message.id,
            type=message.type,
            user_id=message.user_id,
            occurred_at=timestamps.from_proto(message.occurred_at),
            image_id=message.image_id or None,
            batch_id=message.batch_id or None,
            webhook_id=message.webhook_id or None,
        )
        async with self._sessions.begin() as session:
            await fan_out(session, event, self._now())


class DeletedUsers:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def delete_everything(self, data: bytes) -> None:
        """Delete the webhooks, secrets and deliveries of a user. A delivery under way may still arrive."""
        event = auth_pb2.UserDeleted.FromString(data)
        async with self._sessions.begin() as session:
            await users.delete_everything(session, event.user_id)
