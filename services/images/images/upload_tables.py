"""The tables of uploads: those under way, those that clients store themselves, files that still have to be
fetched, and keys of repeated requests.
"""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from images.tables import INSTANT, Base


class UploadIntent(Base, table=True):
    """The note of what an upload under way reserves and stores. Nobody works on the upload any more if
    `alive_until` has passed. See `images.uploads.intents`.
    """

    __tablename__ = "upload_intent"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (sa.Index("ix_upload_intent_alive_until", "alive_until"),)

    id: uuid.UUID = Field(primary_key=True)
    user_id: int = Field(sa_type=sa.BigInteger)
    reservation_ids: list[uuid.UUID] = Field(sa_type=ARRAY(sa.Uuid))
    object_keys: list[str] = Field(sa_type=ARRAY(sa.Text))
    alive_until: datetime = Field(sa_type=INSTANT)


class DirectUpload(Base, table=True):
    """A file that a client puts into the object store itself; see `images.domain.direct_uploads`."""

    __tablename__ = "direct_upload"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        sa.UniqueConstraint("object_key", name="uq_direct_upload_object_key"),
        sa.Index("ix_direct_upload_user_id", "user_id"),
        sa.Index("ix_direct_upload_expires_at", "expires_at"),
    )

    id: uuid.UUID = Field(primary_key=True)
    user_id: int = Field(sa_type=sa.BigInteger)
    filename: str = Field(sa_type=sa.String)
    bytes: int = Field(sa_type=sa.BigInteger)
    """The announced size."""
    sha256: str | None = Field(default=None, sa_type=sa.String)
    """The announced hash in 64 hexadecimal digits, if there is one."""
    object_key: str = Field(sa_type=sa.String)
    expires_at: datetime = Field(sa_type=INSTANT)
    used_at: datetime | None = Field(default=None, sa_type=INSTANT)


class ImageSource(Base, table=True):
    """The source of the file of a manifest's item: a link or a direct upload. The row goes when the
    file is stored, or with its image. See `images.domain.fetches`.
    """

    __tablename__ = "image_source"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        sa.Index(
            "ix_image_source_due", "user_id", "image_id", postgresql_where=sa.text("due_at IS NOT NULL")
        ),
    )

    image_id: int = Field(
        sa_type=sa.BigInteger,
        primary_key=True,
        foreign_key="image.id",
        ondelete="CASCADE",
        sa_column_kwargs={"autoincrement": False},
    )
    user_id: int = Field(sa_type=sa.BigInteger)
    url: str | None = Field(default=None, sa_type=sa.String)
    upload_id: uuid.UUID | None = None
    output_format: str | None = Field(default=None, sa_type=sa.String)
    """The requested format of the result. None selects it by the file."""
    max_scale: int
    """The plan's largest scale factor when the manifest was accepted."""
    due_at: datetime | None = Field(default=None, sa_type=INSTANT)
    """When the next fetch may start. None: no fetch is wanted, because the image has ended."""
    fence: int = 0
    """The number of the current fetch. The outcome of an older one is discarded."""
    failures: int = 0
    """Fetches that failed in a way that may pass, since the image was accepted or retried."""
    fetcher_id: uuid.UUID | None = None
    """The process that fetches it, as long as `claimed_until` has not passed."""
    claimed_until: datetime | None = Field(default=None, sa_type=INSTANT)


class IdempotencyKey(Base, table=True):
    """A key that a client sent with a submission. Without a response, the submission is still under way.

    The key is free again once `expires_at` has passed. See `images.submissions`.
    """

    __tablename__ = "idempotency_key"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (sa.Index("ix_idempotency_key_expires_at", "expires_at"),)

    user_id: int = Field(sa_type=sa.BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    route: str = Field(sa_type=sa.String, primary_key=True)
    key: str = Field(sa_type=sa.String, primary_key=True)
    submission_id: uuid.UUID
    """The submission that has the key. Another one takes it over if this one dies."""
    expires_at: datetime = Field(sa_type=INSTANT)
    body_hash: bytes | None = None
    response: bytes | None = None
    """The answer to the accepted submission: a response message of this service."""
