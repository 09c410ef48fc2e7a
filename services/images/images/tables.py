"""The tables of images.

The row of an image is the truth about its job; the message in the stream contains only its id. Triggers in
the database fill the table `image_block`: see migration 0002.
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
WAITS = "status = 'pending' AND dispatched_at IS NULL"
"""In SQL: the image waits in the database, and is not in the stream yet."""
IS_IN_STREAM = "status IN ('pending', 'processing') AND dispatched_at IS NOT NULL"
HAS_NO_TURN = f"{WAITS} AND turn = 0"
HAS_HAD_TURN = "status IN ('pending', 'processing') AND turn > 0"
NO_FILE_TURN = -1.0
"""The turn of an image whose file still has to be fetched. It is neither 0 nor more, so nobody queues it."""


class Batch(Base, table=True):
    """Images uploaded in one call. The counts include images that were deleted since."""

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
    webhook_url: str | None = Field(default=None, sa_type=sa.String)
    """The address that gets the end of the batch."""
    total_images: int
    completed_images: int = 0
    failed_images: int = 0
    fetching_images: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """How many of its images wait for their file. It has no meaning once the batch has ended."""
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    updated_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    completed_at: datetime | None = Field(default=None, sa_type=INSTANT)


class Image(Base, table=True):
    """An uploaded image and the state of its job. Sizes are pixels after the EXIF orientation is applied."""

    __table_args__ = (
        sa.Index("ix_image_batch_id", "batch_id", "id", postgresql_where=sa.text("batch_id IS NOT NULL")),
        sa.Index("ix_image_original_path", "original_path", postgresql_using="hash"),
        sa.Index("ix_image_user_id_id", "user_id", "id"),
        sa.Index("ix_image_user_id_status_id", "user_id", "status", "id"),
        sa.Index("ix_image_unfinished", "user_id", "id", postgresql_where=IS_UNFINISHED),
        sa.Index(
            "ix_image_waiting", "is_priority", "is_small", "turn", "id", postgresql_where=sa.text(WAITS)
        ),
        sa.Index("ix_image_in_stream", "is_priority", "turn", postgresql_where=sa.text(IS_IN_STREAM)),
        sa.Index("ix_image_expires_at", "expires_at", postgresql_where=sa.text("expires_at IS NOT NULL")),
        sa.Index(
            "ix_image_user_id_expires_at",
            "user_id",
            "expires_at",
            postgresql_where=sa.text("expires_at IS NOT NULL"),
        ),
        sa.Index("ix_image_without_turn", "user_id", "id", postgresql_where=sa.text(HAS_NO_TURN)),
        sa.Index(
            "ix_image_last_turn", "user_id", "is_priority", "turn", postgresql_where=sa.text(HAS_HAD_TURN)
        ),
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
    dpi: int | None = None
    """Requested pixels an inch. None keeps the original's."""
    denoise_asked: int | None = None
    """The requested level of denoising. None lets the worker choose."""
    denoise_used: int | None = None
    strength_asked: float | None = None
    """The requested share of `enhance` over `faithful`, 0 to 1. None is all of it."""
    strength_used: float | None = None
    model_asked: str = Field(default="auto", sa_type=sa.String, sa_column_kwargs={"server_default": "auto"})
    model_used: str | None = Field(default=None, sa_type=sa.String)
    model_reason: str | None = Field(default=None, sa_type=sa.String)
    model_message: str | None = Field(default=None, sa_type=sa.String)
    precision: str = Field(default="auto", sa_type=sa.String, sa_column_kwargs={"server_default": "auto"})
    """The requested one: `auto`, or `exact` for single precision."""
    precision_used: str | None = Field(default=None, sa_type=sa.String)
    """The lowest one that a network computed in. None if no network did."""
    pictures: int | None = None
    """Pages of a TIFF, or frames of an animated PNG, that the result has. None if it has only the first."""
    warnings: list[dict[str, str]] | None = Field(default=None, sa_type=JSONB(none_as_null=True))  # pyright: ignore[reportArgumentType, reportCallIssue]
    """The parts of the original that the result lacks, as texts for people: `field` and `message`."""
    work_megapixels: float | None = None
    """Megapixels that networks write for it, all frames together. None in rows of the previous release."""
    work_kind: str | None = Field(default=None, sa_type=sa.String)
    """The kind of work, `domain.work.kind_of`. None in rows of the previous release."""
    api_request: bool
    is_priority: bool
    reservation_id: uuid.UUID
    reserved_until: datetime = Field(sa_type=INSTANT)
    dispatched_at: datetime | None = Field(default=None, sa_type=INSTANT)
    turn: float = Field(default=0.0, sa_column_kwargs={"server_default": "0"})
    """Its place in the order of all users' images, in megapixels; see `domain.turns`. 0 until it is given."""
    is_small: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    """Whether a worker may do it beside its places. It is found out when the turn is given."""
    attempt: int = 0
    """Number of the current attempt. It is the fence of its work: results of older attempts are refused."""
    excused: int = 0
    """Attempts that failed through no fault of the image. They do not count against it."""
    attempts_from: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """The value of `attempt` when the image was last retried. Earlier attempts no longer count, but the
    fence keeps growing.
    """
    started_at: datetime | None = Field(default=None, sa_type=INSTANT)
    heartbeat_at: datetime | None = Field(default=None, sa_type=INSTANT)
    progress: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Percent of the current attempt that is done."""
    processing_seconds: float | None = None
    previews: list[str] | None = Field(default=None, sa_type=sa.ARRAY(sa.String))  # pyright: ignore[reportArgumentType, reportCallIssue]
    """The previews that a worker has stored; see `domain.previews`. None until then, or if it made none."""
    failure_code: str | None = Field(default=None, sa_type=sa.String)
    failure_message: str | None = Field(default=None, sa_type=sa.String)
    failure_retryable: bool | None = None
    earlier_failures: list[dict[str, Any]] | None = Field(default=None, sa_type=JSONB(none_as_null=True))  # pyright: ignore[reportArgumentType, reportCallIssue]
    """The failures before each retry, oldest first; see `domain.retries`."""
    retried_at: datetime | None = Field(default=None, sa_type=INSTANT)
    """When the image was last retried. Its time in the queue counts from then."""
    webhook_url: str | None = Field(default=None, sa_type=sa.String)
    """The address that gets the end of the image."""
    request_id: str | None = Field(default=None, sa_type=sa.String)
    """The id of the upload's request. Logs and traces of all later work carry it."""
    trace_parent: str | None = Field(default=None, sa_type=sa.String)
    expires_in: int | None = None
    """Seconds from its end until it is deleted. None keeps it."""
    expires_at: datetime | None = Field(default=None, sa_type=INSTANT)
    """A trigger sets it when the image ends, and clears it when the image is retried: see migration 0018."""
    reference: str | None = Field(default=None, sa_type=sa.String)
    """The client's own name for an item of a manifest."""
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    updated_at: datetime = Field(default_factory=now, sa_type=INSTANT)

    @property
    def has_file(self) -> bool:
        """True if the original is stored. Otherwise its sizes are 0, and its keys name no object."""
        return self.original_bytes > 0


class ImageBlock(Base, table=True):
    """Counts of up to a thousand images of a user, from `first_id` up to the next block's `first_id`."""

    __tablename__ = "image_block"  # pyright: ignore[reportAssignmentType]

    user_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    first_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    last_id: int = Field(sa_type=sa.BigInteger)
    added: int
    """How many images were ever added, including deleted ones. A block with a thousand is full."""
    total: int
    completed: int
    failed: int


class Undecodable(Base, table=True):
    """Two counts of what a user got for nothing, each of the last hour that had something to count."""

    user_id: int = Field(sa_type=sa.BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    hour: int = Field(sa_type=sa.BigInteger)
    """The hour of `count`, counted from 1970."""
    count: int
    items_hour: int | None = Field(default=None, sa_type=sa.BigInteger)
    refused_items: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Items of manifests that were refused, and stored as failed images all the same."""


class DeletedUser(Base, table=True):
    """A deleted account. New uploads of this user are refused."""

    __tablename__ = "former_user"  # pyright: ignore[reportAssignmentType]

    user_id: int = Field(sa_type=sa.BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    deleted_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class AnnouncedModel(Base, table=True):
    """A model that a worker has announced. `nets` are the names of its networks in Triton."""

    __tablename__ = "offered_model"  # pyright: ignore[reportAssignmentType]

    name: str = Field(sa_type=sa.String, primary_key=True)
    nets: list[str] = Field(sa_type=sa.ARRAY(sa.String))  # pyright: ignore[reportArgumentType, reportCallIssue]
    announced_at: datetime = Field(sa_type=INSTANT)
    missing_since: datetime | None = Field(default=None, sa_type=INSTANT)
    """When workers began to announce their models without this one. None while it is announced."""
    facts: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))  # pyright: ignore[reportArgumentType, reportCallIssue]
    """`domain.models.ModelFacts`, as a worker announced them. None from workers of the previous release."""


class Worker(Base, table=True):
    """A worker's last announcement. It is stored for a while after the worker has stopped, as the expected
    speed of the next worker.
    """

    name: str = Field(sa_type=sa.String, primary_key=True)
    megapixels_per_second: float | None = None
    """Megapixels of results for each second of work. None until the worker has made a result."""
    speeds: dict[str, float] | None = Field(default=None, sa_type=JSONB(none_as_null=True))  # pyright: ignore[reportArgumentType, reportCallIssue]
    """Megapixels of network output for each second, by kind of work. None from the previous release."""
    seconds_per_job: float | None = None
    """Seconds that a job takes beside its pixels. None until the worker has measured it."""
    places: int | None = None
    """How many jobs the worker does at the same time. None from the previous release."""
    announced_at: datetime = Field(sa_type=INSTANT)


class Outbox(OutboxColumns, Base, table=True):
    """Events waiting to be published; see `common.outbox`."""


class ClientEvent(Base, table=True):
    """An event for clients that waits to be published; see `images.client_events`.

    Triggers insert the rows: see migrations 0014 and 0016.
    """

    __tablename__ = "client_event"  # pyright: ignore[reportAssignmentType]

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    user_id: int = Field(sa_type=sa.BigInteger)
    type: str = Field(sa_type=sa.String)
    """One of `loupe.contract.EVENT_TYPES`."""
    image_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    batch_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    webhook_url: str | None = Field(default=None, sa_type=sa.String)
    """The address that the upload named for its end."""
    message_id: str = Field(
        sa_type=sa.String, sa_column_kwargs={"server_default": sa.text("(gen_random_uuid())::text")}
    )
    occurred_at: datetime = Field(
        sa_type=INSTANT, sa_column_kwargs={"server_default": sa.text("clock_timestamp()")}
    )
