"""Tells how much space the stored objects take."""

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.http.envelope import Envelope
from gateway.identity.route_access import OperatorSession
from loupe.images.v1 import images_pb2 as pb

router = APIRouter(prefix="/storage")


class StorageState(BaseModel):
    images: int
    original_bytes: int
    upscaled_bytes: int
    expired_waiting: int
    """Images past their time whose objects are still there."""
    orphans_deleted: int
    """Objects of no image that the sweep has deleted since the service started."""


@router.get("")
async def get_storage(caller: OperatorSession) -> Envelope[StorageState]:
    stored = await caller.images.GetStorage(pb.GetStorageRequest())
    found = StorageState(
        images=stored.images,
        original_bytes=stored.original_bytes,
        upscaled_bytes=stored.upscaled_bytes,
        expired_waiting=stored.expired_waiting,
        orphans_deleted=stored.orphans_deleted,
    )
    return Envelope(message="Storage retrieved successfully", data=found)
