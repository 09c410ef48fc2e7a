"""Webhooks: addresses of the caller that get events, and the log of what was sent to them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, BeforeValidator

from gateway.http import bodies
from gateway.http.envelope import Envelope, Message, Page, parse_id
from gateway.http.routing import NOT_SECRET
from gateway.identity.route_access import VerifiedOwner, WebhookReader
from gateway.openapi import examples
from gateway.openapi.operation import Links, Operation, json_body
from gateway.openapi.webhook_texts import DELIVERY, SECRET, WEBHOOK
from gateway.routes.paging import PAGES_DESCRIPTION, Paging, parse_status
from loupe import refusals
from loupe.outbound.v1 import outbound_pb2 as pb
from rest.values import format_time
from rest.webhooks import (
    DELIVERY_STATUSES,
    Delivery,
    DeliveryStatus,
    EventType,
    Webhook,
    to_delivery,
    to_webhook,
)

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])
WebhookId = Annotated[int, BeforeValidator(parse_id)]
DeliveryId = Annotated[int, BeforeValidator(parse_id)]
ONE = f"/{{webhook_id:{NOT_SECRET}}}"
SIGNED = "Deliveries are signed with it as Standard Webhooks says (https://www.standardwebhooks.com)."


class WebhookRequest(BaseModel):
    url: str = ""
    types: list[EventType] = []
    description: str = ""
    is_enabled: bool = True
    secret: str = ""


class WebhookChanges(BaseModel):
    url: str | None = None
    types: list[EventType] | None = None
    description: str | None = None
    is_enabled: bool | None = None


class SecretChange(BaseModel):
    secret: str = ""


class Webhooks(BaseModel):
    webhooks: list[Webhook]
    count: int


class NewWebhook(BaseModel):
    webhook: Webhook
    secret: str


class SigningSecret(BaseModel):
    secret: str
    previous_secret_expires_at: str | None


LIST_WEBHOOKS = Operation(
    id="listWebhooks",
    summary="List your webhooks",
    message="Webhooks retrieved successfully",
    description="Newest first. A secret is shown only when it is made.",
    example_data={"webhooks": [WEBHOOK], "count": 1},
)


@router.get("")
@LIST_WEBHOOKS.describes
async def list_webhooks(caller: WebhookReader) -> Envelope[Webhooks]:
    response = await caller.outbound.ListWebhooks(pb.ListWebhooksRequest())
    found = [to_webhook(webhook) for webhook in response.webhooks]
    return LIST_WEBHOOKS.answer(Webhooks(webhooks=found, count=len(found)))


CREATE_WEBHOOK = Operation(
    id="createWebhook",
    summary="Add a webhook",
    message="Webhook created successfully",
    description=f"A user may have 20. The secret is shown only this once. {SIGNED}",
    example_data={"webhook": WEBHOOK, "secret": SECRET},
    body=json_body(
        WebhookRequest, "url", example={"url": WEBHOOK["url"], "types": ["image.completed", "image.failed"]}
    ),
    links=Links(
        ("getWebhook", "updateWebhook", "deleteWebhook", "testWebhook", "listDeliveries"),
        "webhook_id",
        new_id="/data/webhook/id",
    ),
)


@router.post("", status_code=201)
@CREATE_WEBHOOK.describes
async def create_webhook(request: Request, caller: VerifiedOwner) -> Envelope[NewWebhook]:
    values = await bodies.parse(request, WebhookRequest, "types")
    is_disabled = not values.pop("is_enabled")
    response = await caller.outbound.CreateWebhook(pb.CreateWebhookRequest(**values, is_disabled=is_disabled))
    return CREATE_WEBHOOK.answer(NewWebhook(webhook=to_webhook(response.webhook), secret=response.secret))


GET_ACCOUNT_SECRET = Operation(
    id="getWebhookSecret",
    summary="Get the secret of your account",
    message="Secret retrieved successfully",
    description=f"It is for the `webhook_url` of uploads, and is made at its first use. {SIGNED}",
    example_data={"secret": SECRET, "previous_secret_expires_at": None},
)


@router.get("/secret")
@GET_ACCOUNT_SECRET.describes
async def get_account_secret(caller: VerifiedOwner) -> Envelope[SigningSecret]:
    response = await caller.outbound.GetAccountSecret(pb.GetAccountSecretRequest())
    return GET_ACCOUNT_SECRET.answer(to_secret(response.secret))


ROTATE_ACCOUNT_SECRET = Operation(
    id="rotateWebhookSecretOfAccount",
    summary="Replace the secret of your account",
    message="Secret rotated successfully",
    description="For 24 hours deliveries are signed with the previous secret too.",
    example_data={"secret": SECRET, "previous_secret_expires_at": examples.LATER},
    body=json_body(SecretChange, example={}),
)


@router.post("/secret/rotate")
@ROTATE_ACCOUNT_SECRET.describes
async def rotate_account_secret(request: Request, caller: VerifiedOwner) -> Envelope[SigningSecret]:
    values = await bodies.parse(request, SecretChange)
    response = await caller.outbound.RotateAccountSecret(pb.RotateAccountSecretRequest(**values))
    return ROTATE_ACCOUNT_SECRET.answer(to_secret(response.secret))


GET_WEBHOOK = Operation(
    id="getWebhook",
    summary="Get a webhook",
    message="Webhook retrieved successfully",
    description="Its secret is shown only when it is made.",
    example_data=WEBHOOK,
)


@router.get(ONE)
@GET_WEBHOOK.describes
async def get_webhook(webhook_id: WebhookId, caller: WebhookReader) -> Envelope[Webhook]:
    response = await caller.outbound.GetWebhook(pb.GetWebhookRequest(id=webhook_id))
    return GET_WEBHOOK.answer(to_webhook(response.webhook))


UPDATE_WEBHOOK = Operation(
    id="updateWebhook",
    summary="Change a webhook",
    message="Webhook updated successfully",
    description="A field that is not sent stays as it is. An enabled webhook gets what waits for it.",
    example_data=WEBHOOK,
    body=json_body(WebhookChanges, example={"is_enabled": True}),
)


@router.patch(ONE)
@UPDATE_WEBHOOK.describes
async def update_webhook(request: Request, webhook_id: WebhookId, caller: VerifiedOwner) -> Envelope[Webhook]:
    values = await bodies.parse(request, WebhookChanges, "types")
    types = values.pop("types")
    changes = pb.UpdateWebhookRequest(
        id=webhook_id, types=None if types is None else pb.EventTypes(names=types), **values
    )
    response = await caller.outbound.UpdateWebhook(changes)
    return UPDATE_WEBHOOK.answer(to_webhook(response.webhook))


DELETE_WEBHOOK = Operation(
    id="deleteWebhook",
    summary="Delete a webhook",
    message="Webhook deleted successfully",
    description="Its waiting deliveries are not sent, and its log is gone.",
)


@router.delete(ONE)
@DELETE_WEBHOOK.describes
async def delete_webhook(webhook_id: WebhookId, caller: VerifiedOwner) -> Message:
    await caller.outbound.DeleteWebhook(pb.DeleteWebhookRequest(id=webhook_id))
    return DELETE_WEBHOOK.done()


TEST_WEBHOOK = Operation(
    id="testWebhook",
    summary="Send a test event",
    message="Test event accepted",
    description="Sends `webhook.test` to this webhook alone. The log shows how that ended.",
    example_data=DELIVERY | {"type": "webhook.test", "status": "waiting", "attempts": 0, "image_id": None},
    refusals=(refusals.WEBHOOK_DISABLED,),
)


@router.post("/{webhook_id}/test", status_code=202)
@TEST_WEBHOOK.describes
async def test_webhook(webhook_id: WebhookId, caller: VerifiedOwner) -> Envelope[Delivery]:
    response = await caller.outbound.TestWebhook(pb.TestWebhookRequest(id=webhook_id))
    return TEST_WEBHOOK.answer(to_delivery(response.delivery))


ROTATE_SECRET = Operation(
    id="rotateWebhookSecret",
    summary="Replace the secret of a webhook",
    message="Secret rotated successfully",
    description=(
        "The new secret is shown only this once. "
        "For 24 hours deliveries are signed with the previous one too."
    ),
    example_data={"secret": SECRET, "previous_secret_expires_at": examples.LATER},
    body=json_body(SecretChange, example={}),
)


@router.post("/{webhook_id}/secret/rotate")
@ROTATE_SECRET.describes
async def rotate_secret(
    request: Request, webhook_id: WebhookId, caller: VerifiedOwner
) -> Envelope[SigningSecret]:
    values = await bodies.parse(request, SecretChange)
    response = await caller.outbound.RotateSecret(pb.RotateSecretRequest(id=webhook_id, **values))
    return ROTATE_SECRET.answer(to_secret(response.secret))


LIST_DELIVERIES = Operation(
    id="listDeliveries",
    summary="List the deliveries to a webhook",
    message="Deliveries retrieved successfully",
    description=f"{PAGES_DESCRIPTION} Deliveries are kept for 30 days, and counted up to 10,000.",
    example_data=[DELIVERY],
)


@router.get("/{webhook_id}/deliveries")
@LIST_DELIVERIES.describes
async def list_deliveries(
    webhook_id: WebhookId,
    caller: WebhookReader,
    paging: Paging,
    status: Annotated[DeliveryStatus | None, Query()] = None,
    type: Annotated[EventType | None, Query()] = None,  # noqa: A002  the name of the parameter
) -> Page[Delivery]:
    response = await caller.outbound.ListDeliveries(
        pb.ListDeliveriesRequest(
            webhook_id=webhook_id,
            page=paging.number,
            per_page=paging.size,
            status=parse_status(status, {name: name for name in DELIVERY_STATUSES}, ""),
            type=type or "",
        )
    )
    found = [to_delivery(delivery) for delivery in response.deliveries]
    return paging.answer(LIST_DELIVERIES.message, found, response.total)


REPLAY_DELIVERY = Operation(
    id="replayDelivery",
    summary="Send a delivery again",
    message="Delivery accepted",
    description="Under the same `webhook-id`, with what GET answers now. Its schedule begins anew.",
    example_data=DELIVERY | {"status": "waiting", "attempts": 0},
    refusals=(refusals.WEBHOOK_DISABLED,),
)


@router.post("/deliveries/{delivery_id}/replay", status_code=202)
@REPLAY_DELIVERY.describes
async def replay_delivery(delivery_id: DeliveryId, caller: VerifiedOwner) -> Envelope[Delivery]:
    response = await caller.outbound.ReplayDelivery(pb.ReplayDeliveryRequest(id=delivery_id))
    return REPLAY_DELIVERY.answer(to_delivery(response.delivery))


def to_secret(secret: pb.Secret) -> SigningSecret:
    has_previous = secret.HasField("previous_expires_at")
    return SigningSecret(
        secret=secret.text,
        previous_secret_expires_at=format_time(secret.previous_expires_at) if has_previous else None,
    )
