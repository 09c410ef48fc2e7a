"""The body of a delivery: what GET answers at the time of sending."""

import json
from typing import TYPE_CHECKING, Any

from common import errors, timestamps
from loupe.images.v1 import images_pb2
from outbound.convert import to_webhook
from outbound.domain.attempts import Claim
from rest.events import batch_data, deleted_data, envelope, image_data
from rest.webhooks import webhook_data

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub


async def render(claim: Claim, images: "ImagesServiceAsyncStub") -> str:
    """Return the JSON to send. Raise `ServiceError` if images does not answer."""
    delivery = claim.delivery
    stamp = timestamps.to_proto(delivery.occurred_at)
    assert stamp  # noqa: S101  every delivery has a time
    body = envelope(delivery.type, stamp, await _data_of(claim, images))
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


async def _data_of(claim: Claim, images: "ImagesServiceAsyncStub") -> dict[str, Any]:
    delivery = claim.delivery
    if delivery.about_webhook_id:
        about = claim.about_webhook
        return webhook_data(to_webhook(about)) if about else deleted_data(delivery.about_webhook_id)
    image_id, batch_id = delivery.image_id, None if delivery.image_id else delivery.batch_id
    request = images_pb2.RenderForDeliveryRequest(
        user_id=delivery.user_id, image_id=image_id or 0, batch_id=batch_id or 0
    )
    try:
        found = await images.RenderForDelivery(request)
    except errors.NotFound:
        return deleted_data(image_id or batch_id or 0)
    return image_data(found.image) if image_id else batch_data(found.batch)
