"""What images stores: a row an image, which is the truth about its job; the stream only carries it."""

import uuid
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, MetaData, SQLModel

from common.db import NAMING, now, text_enum
from common.outbox import OutboxColumns


class Base(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    pass


INSTANT = sa.DateTime(timezone=True)


class Status(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


UNFINISHED = (Status.PENDING, Status.PROCESSING)
IS_UNFINISHED = sa.text("status IN ('pending', 'processing')")


class Image(Base, table=True):
    """Sizes are pixels after the EXIF orientation. `attempt` is the fence of the work under way."""

    __table_args__ = (
        sa.Index("ix_image_user_id_id", "user_id", "id"),
        sa.Index("ix_image_user_id_status_id", "user_id", "status", "id"),
        sa.Index("ix_image_unfinished", "user_id", "id", postgresql_where=IS_UNFINISHED),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    user_id: int = Field(sa_type=sa.BigInteger)
    original_filename: str = Field(sa_type=sa.String)
    original_path: str = Field(sa_type=sa.String)
    original_bytes: int
    original_width: int
    original_height: int
    upscaled_path: str = Field(sa_type=sa.String)
    upscaled_format: str = Field(sa_type=sa.String)
    upscaled_width: int
    upscaled_height: int
    upscaled_bytes: int | None = None
    status: Status = Field(
        default=Status.PENDING,
        sa_type=text_enum(Status),
    )
    scale_factor: int | None = None
    target_width: int | None = None
    target_height: int | None = None
    api_request: bool
    is_priority: bool
    reservation_id: uuid.UUID
    reserved_until: datetime = Field(sa_type=INSTANT)
    dispatched_at: datetime | None = Field(default=None, sa_type=INSTANT)
    attempt: int = 0
    excused: int = 0
    """Attempts that ended through no fault of the image; they do not count against it."""
    started_at: datetime | None = Field(default=None, sa_type=INSTANT)
    heartbeat_at: datetime | None = Field(default=None, sa_type=INSTANT)
    processing_seconds: float | None = None
    failure_code: str | None = Field(default=None, sa_type=sa.String)
    failure_message: str | None = Field(default=None, sa_type=sa.String)
    failure_retryable: bool | None = None
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    updated_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class Outbox(OutboxColumns, Base, table=True):
    """Events on their way into the stream; see common.outbox."""
