"""The stream of outbound's events, and the consumer that hears of deleted users."""

from common import bus, messages
from common.db import Sessions
from loupe.auth.v1 import auth_pb2
from outbound.domain import users

EVENTS = bus.stream("OUTBOUND", "outbound.>")
USER_DELETED = messages.Consumer(stream="AUTH", durable="outbound-users", subjects=("auth.user_deleted",))


class DeletedUsers:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def delete_everything(self, data: bytes) -> None:
        """Delete the webhooks, secrets and deliveries of a user. A delivery under way may still arrive."""
        event = auth_pb2.UserDeleted.FromString(data)
        async with self._sessions.begin() as session:
            await users.delete_everything(session, event.user_id)
