"""Webhooks whose deliveries fail."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator

from gateway.http.envelope import Envelope, Page, parse_id
from gateway.identity.route_access import OperatorSession
from gateway.routes.admin.lists import page_of
from gateway.routes.paging import Paging
from loupe.outbound.v1 import outbound_pb2 as pb
from rest.values import format_time

router = APIRouter(prefix="/webhooks")
MOST_LISTED = 1000
WebhookId = Annotated[int, BeforeValidator(parse_id)]


class FailingWebhook(BaseModel):
    id: int
    user_id: int
    url: str
    is_enabled: bool
    disabled_reason: str | None
    failing_since: str | None
    waiting: int
    last_outcome: str | None


class Redriven(BaseModel):
    deliveries: int


@router.get("")
async def list_failing_webhooks(caller: OperatorSession, paging: Paging) -> Page[FailingWebhook]:
    """List up to 1,000 webhooks that fail or are disabled because of that, the oldest failure first."""
    found = await caller.outbound.ListFailingWebhooks(pb.ListFailingWebhooksRequest(limit=MOST_LISTED))
    return page_of(paging, "Webhooks retrieved successfully", [to_webhook(one) for one in found.webhooks])


@router.post("/{webhook_id}/redrive", status_code=202)
async def redrive_webhook(webhook_id: WebhookId, caller: OperatorSession) -> Envelope[Redriven]:
    """Enable the webhook, and send at once what it has not got."""
    response = await caller.outbound.RedriveWebhook(pb.RedriveWebhookRequest(id=webhook_id))
    return Envelope(message="Webhook redriven successfully", data=Redriven(deliveries=response.deliveries))


def to_webhook(failing: pb.FailingWebhook) -> FailingWebhook:
    webhook = failing.webhook
    return FailingWebhook(
        id=webhook.id,
        user_id=failing.user_id,
        url=webhook.url,
        is_enabled=webhook.is_enabled,
        disabled_reason=webhook.disabled_reason or None,
        failing_since=format_time(webhook.failing_since) if webhook.HasField("failing_since") else None,
        waiting=failing.waiting,
        last_outcome=failing.last_outcome or None,
    )
