"""Messages that their consumer gave up."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator

from gateway.http.envelope import Message, Page, parse_id
from gateway.identity.route_access import OperatorSession
from gateway.routes.admin.lists import page_of
from gateway.routes.paging import Paging
from loupe.images.v1 import images_pb2 as pb
from rest.values import format_time

router = APIRouter(prefix="/dead-letters")
MOST_LISTED = 1000
Sequence = Annotated[int, BeforeValidator(parse_id)]


class DeadLetter(BaseModel):
    sequence: int
    subject: str
    consumer: str
    error: str
    created_at: str
    image_id: int | None


@router.get("")
async def list_dead_letters(caller: OperatorSession, paging: Paging) -> Page[DeadLetter]:
    """List the newest 1,000 messages that their consumer gave up, newest first."""
    found = await caller.images.ListDeadMessages(pb.ListDeadMessagesRequest(limit=MOST_LISTED))
    return page_of(paging, "Dead letters retrieved successfully", [to_letter(one) for one in found.messages])


@router.post("/{sequence}/redrive", status_code=202)
async def redrive_dead_letter(sequence: Sequence, caller: OperatorSession) -> Message:
    """Have the message handled again. A failed image takes a new place in the quota of its user."""
    await caller.images.RedriveDeadMessage(pb.RedriveDeadMessageRequest(sequence=sequence))
    return Message(message="Dead letter redriven successfully")


def to_letter(message: pb.DeadMessage) -> DeadLetter:
    return DeadLetter(
        sequence=message.sequence,
        subject=message.subject,
        consumer=message.consumer,
        error=message.error,
        created_at=format_time(message.created_at),
        image_id=message.image_id or None,
    )
