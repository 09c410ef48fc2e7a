"""Webhooks: where the server sends events to, and what became of each delivery."""

from collections.abc import AsyncGenerator, Sequence

from loupe_client import models
from loupe_client._async.transport import AsyncTransport
from loupe_client.answers import envelope_of, parse
from loupe_client.models import Delivery, NewWebhook, SigningSecret, Webhook


class AsyncWebhooks:
    """The webhooks of the user."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> list[Webhook]:
        """Return all webhooks, without their secrets."""
        return parse(models.Webhooks, await self._transport.call("GET", "/api/webhooks")).webhooks

    async def create(
        self,
        url: str,
        *,
        types: Sequence[str] | None = None,
        description: str | None = None,
        is_enabled: bool | None = None,
        secret: str | None = None,
    ) -> NewWebhook:
        """Have events sent to an address. Without `types` all are sent. `secret` is in this answer only."""
        body = {"url": url, "types": list_of(types), "description": description}
        body |= {"is_enabled": is_enabled, "secret": secret}
        return parse(NewWebhook, await self._transport.call("POST", "/api/webhooks", body=body))

    async def get(self, webhook_id: int) -> Webhook:
        """Return a webhook."""
        return parse(Webhook, await self._transport.call("GET", f"/api/webhooks/{webhook_id}"))

    async def update(
        self,
        webhook_id: int,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        description: str | None = None,
        is_enabled: bool | None = None,
    ) -> Webhook:
        """Change what is given."""
        body = {"url": url, "types": list_of(types), "description": description, "is_enabled": is_enabled}
        return parse(Webhook, await self._transport.call("PATCH", f"/api/webhooks/{webhook_id}", body=body))

    async def delete(self, webhook_id: int) -> None:
        """Delete a webhook."""
        await self._transport.call("DELETE", f"/api/webhooks/{webhook_id}")

    async def test(self, webhook_id: int) -> Delivery:
        """Have a `webhook.test` sent."""
        return parse(Delivery, await self._transport.call("POST", f"/api/webhooks/{webhook_id}/test"))

    async def rotate_secret(self, webhook_id: int) -> SigningSecret:
        """Return a new secret. The old one signs too for a day."""
        path = f"/api/webhooks/{webhook_id}/secret/rotate"
        return parse(SigningSecret, await self._transport.call("POST", path, body={}))

    async def account_secret(self) -> SigningSecret:
        """Return the secret of webhooks that an upload names by `webhook_url`."""
        return parse(SigningSecret, await self._transport.call("GET", "/api/webhooks/secret"))

    async def rotate_account_secret(self) -> SigningSecret:
        """Return a new secret of the account. The old one signs too for a day."""
        return parse(
            SigningSecret, await self._transport.call("POST", "/api/webhooks/secret/rotate", body={})
        )

    async def deliveries(
        self, webhook_id: int, *, status: str | None = None, event_type: str | None = None
    ) -> AsyncGenerator[Delivery]:
        """Yield the deliveries of a webhook, the newest first."""
        page: int | None = 1
        while page:
            query = {"status": status, "type": event_type, "page": page, "per_page": 100}
            path = f"/api/webhooks/{webhook_id}/deliveries"
            answer = envelope_of(await self._transport.send("GET", path, query=query))
            for each in answer["data"]:
                yield parse(Delivery, each)
            page = page + 1 if answer["links"]["next"] else None

    async def replay(self, delivery_id: int) -> Delivery:
        """Have a delivery sent again."""
        path = f"/api/webhooks/deliveries/{delivery_id}/replay"
        return parse(Delivery, await self._transport.call("POST", path))


def list_of(types: "Sequence[str] | None") -> "list[str] | None":
    return None if types is None else [*types]
