"""What images stores: a row an image, which is the truth about its job; the stream only carries it.

`image_block` is kept by triggers of the database: see its migration.
"""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
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


class BatchStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    PARTIALLY_FAILED = "partially_failed"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = (Status.PENDING, Status.PROCESSING)
UNFINISHED_BATCH = (BatchStatus.PENDING, BatchStatus.PROCESSING)
IS_UNFINISHED = sa.text("status IN ('pending', 'processing')")


class Batch(Base, table=True):
    """Images uploaded together. The counts say how they ended, also of those deleted since."""

    __table_args__ = (
        sa.Index("ix_batch_user_id_id", "user_id", "id"),
        sa.Index("ix_batch_user_id_status_id", "user_id", "status", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    user_id: int = Field(sa_type=sa.BigInteger)
    name: str | None = Field(default=None, sa_type=sa.String)
    status: BatchStatus = Field(default=BatchStatus.PENDING, sa_type=text_enum(BatchStatus))
    scale_factor: int | None = None
    target_width: int | None = None
    target_height: int | None = None
    total_images: int
    completed_images: int = 0
    failed_images: int = 0
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    updated_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    completed_at: datetime | None = Field(default=None, sa_type=INSTANT)


class Image(Base, table=True):
    """Sizes are pixels after the EXIF orientation. `attempt` is the fence of the work under way."""

    __table_args__ = (
        sa.Index("ix_image_batch_id", "batch_id", "id", postgresql_where=sa.text("batch_id IS NOT NULL")),
        sa.Index("ix_image_original_path", "original_path", postgresql_using="hash"),
        sa.Index("ix_image_user_id_id", "user_id", "id"),
        sa.Index("ix_image_user_id_status_id", "user_id", "status", "id"),
        sa.Index("ix_image_unfinished", "user_id", "id", postgresql_where=IS_UNFINISHED),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    user_id: int = Field(sa_type=sa.BigInteger)
    batch_id: int | None = Field(default=None, sa_type=sa.BigInteger, foreign_key="batch.id")
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
    fit: str = Field(default="stretch", sa_type=sa.String, sa_column_kwargs={"server_default": "stretch"})
    quality: int | None = None
    keeps_metadata: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    model_asked: str = Field(default="auto", sa_type=sa.String, sa_column_kwargs={"server_default": "auto"})
    model_used: str | None = Field(default=None, sa_type=sa.String)
    model_reason: str | None = Field(default=None, sa_type=sa.String)
    model_message: str | None = Field(default=None, sa_type=sa.String)
    api_request: bool
    is_priority: bool
    reservation_id: uuid.UUID
    reserved_until: datetime = Field(sa_type=INSTANT)
    dispatched_at: datetime | None = Field(default=None, sa_type=INSTANT)
    attempt: int = 0
    excused: int = 0
    """Attempts that ended through no fault of the image; they do not count against it."""
    attempts_from: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Attempts before an operator gave it another chance: they count no more, while the fence goes on."""
    started_at: datetime | None = Field(default=None, sa_type=INSTANT)
    heartbeat_at: datetime | None = Field(default=None, sa_type=INSTANT)
    progress: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Of the work under way, in percent."""
    processing_seconds: float | None = None
    failure_code: str | None = Field(default=None, sa_type=sa.String)
    failure_message: str | None = Field(default=None, sa_type=sa.String)
    failure_retryable: bool | None = None
    request_id: str | None = Field(default=None, sa_type=sa.String)
    """Of its upload, to which all that is done with it later belongs."""
    trace_parent: str | None = Field(default=None, sa_type=sa.String)
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    updated_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class ImageBlock(Base, table=True):
    """How many images there are of a user's next thousand, from `first_id` up to the next block's."""

    __tablename__ = "image_block"  # pyright: ignore[reportAssignmentType]

    user_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    first_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    last_id: int = Field(sa_type=sa.BigInteger)
    added: int
    """All that were ever in it: a thousand close it."""
    total: int
    completed: int
    failed: int


class FormerUser(Base, table=True):
    """An account that is gone: nothing of it may come any more."""

    __tablename__ = "former_user"  # pyright: ignore[reportAssignmentType]

    user_id: int = Field(sa_type=sa.BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    deleted_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class OfferedModel(Base, table=True):
    """A model that a worker has announced; `nets` are the networks that it is made of."""

    __tablename__ = "offered_model"  # pyright: ignore[reportAssignmentType]

    name: str = Field(sa_type=sa.String, primary_key=True)
    nets: list[str] = Field(sa_type=sa.ARRAY(sa.String))  # pyright: ignore[reportArgumentType, reportCallIssue]
    announced_at: datetime = Field(sa_type=INSTANT)
    missing_since: datetime | None = Field(default=None, sa_type=INSTANT)
    """Since then workers announce what they have without it."""
    facts: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))  # pyright: ignore[reportArgumentType, reportCallIssue]
    """What it is, as a worker announced it (`domain.models.Facts`); None from workers of the release before.
    """


class Worker(Base, table=True):
    """A worker as it last announced itself; gone ones are kept for a while, for the pace of the next."""

    name: str = Field(sa_type=sa.String, primary_key=True)
    megapixels_per_second: float | None = None
    """Of results, while it has work; None until it has made one."""
    announced_at: datetime = Field(sa_type=INSTANT)


class Outbox(OutboxColumns, Base, table=True):
    """Events on their way into the stream; see common.outbox."""
