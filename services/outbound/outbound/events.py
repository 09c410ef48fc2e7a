"""The stream of outbound's events, and the consumers of client events and of what auth says about users."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from common import bus, errors, messages, timestamps
from common.db import Sessions
from loupe.auth.v1 import auth_pb2
from loupe.contract import UPLOAD_ENDINGS, WEBHOOK_EVENTS
from loupe.images.v1 import images_pb2
from outbound.domain import users, webhooks
from outbound.domain.fan_out import Event, fan_out
from outbound.domain.webhooks import Address
from outbound.group_commit import GroupCommit

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

EVENTS = bus.stream("OUTBOUND", "outbound.>")
CLIENT_EVENTS = messages.Consumer(stream="CLIENT_EVENTS", durable="outbound-events", subjects=("events.>",))
ADDRESS_RESTORED = messages.Consumer(
    stream="AUTH", durable="outbound-restored", subjects=("auth.address_restored",)
)
USER_DELETED = messages.Consumer(stream="AUTH", durable="outbound-users", subjects=("auth.user_deleted",))


class ClientEvents:
    """Makes deliveries of events. Call it for many events at a time: one transaction then serves all."""

    def __init__(
        self, sessions: Sessions, images: "ImagesServiceAsyncStub", now: Callable[[], datetime]
    ) -> None:
        self._sessions = sessions
        self._images = images
        self._now = now
        self._together = GroupCommit(self._write)

    async def fan_out(self, data: bytes) -> None:
        """Add the deliveries of an event, in one transaction with those of others that come meanwhile.

        A message that comes again adds none.
        """
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
            upload_address=await self._upload_address(message),
        )
        await self._together.add(event)

    async def _write(self, group: Sequence[Event]) -> None:
        async with self._sessions.begin() as session:
            await fan_out(session, group, self._now())

    async def _upload_address(self, message: images_pb2.ClientEvent) -> Address | None:
        """Return the address that the upload named, if this is its end."""
        if message.type not in UPLOAD_ENDINGS:
            return None
        url = message.webhook_url if message.HasField("webhook_url") else await self._read_address(message)
        return Address(url, urlsplit(url).hostname or "") if url else None

    async def _read_address(self, message: images_pb2.ClientEvent) -> str:
        """Return the address from images, because a replica of the release before has sent the event."""
        is_of_image = bool(message.image_id)
        request = images_pb2.RenderForDeliveryRequest(
            user_id=message.user_id,
            image_id=message.image_id,
            batch_id=0 if is_of_image else message.batch_id,
        )
        try:
            found = await self._images.RenderForDelivery(request)
        except errors.NotFound:
            return ""
        except errors.ServiceError as error:
            raise messages.RetryLater(str(error)) from error
        return found.image.webhook_url if is_of_image else found.batch.webhook_url


class RestoredAddresses:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def disable_webhooks(self, data: bytes) -> None:
        """Disable the webhooks that a thief may have left. Their owner can enable them again."""
        event = auth_pb2.AddressRestored.FromString(data)
        since, until = map(timestamps.from_proto, (event.since, event.restored_at))
        async with self._sessions.begin() as session:
            await webhooks.disable_since(session, event.user_id, since, until)


class DeletedUsers:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def delete_everything(self, data: bytes) -> None:
        """Delete the webhooks, secrets and deliveries of a user. A delivery under way may still arrive."""
        event = auth_pb2.UserDeleted.FromString(data)
        async with self._sessions.begin() as session:
            await users.delete_everything(session, event.user_id)
