"""An event about an image or a batch, as event streams and webhooks send it."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from loupe.images.v1 import images_pb2 as pb
from rest.batches import to_batch
from rest.images import to_image
from rest.values import format_time

Json = dict[str, Any]


def envelope(kind: str, occurred_at: Timestamp, data: Json | None) -> Json:
    return {"type": kind, "timestamp": format_time(occurred_at), "data": data}


def image_data(image: pb.Image) -> Json:
    """Return what GET answers about the image."""
    return to_image(image).model_dump(mode="json")


def batch_data(batch: pb.Batch) -> Json:
    """Return what GET answers about the batch, without its images."""
    return to_batch(batch, []).model_dump(mode="json", exclude={"images"})


def deleted_data(object_id: int) -> Json:
    """Return what is left to say about an image or a batch that is gone."""
    return {"id": object_id, "deleted": True}
