"""The tables of outbound: webhooks, their secrets, and deliveries with the order in which they are made.

A lane is a queue of deliveries: those to one webhook, or those of a user to one host that uploads named. A
user's turn says when one of the user's lanes has something to do. So a delivery is found by two indexes,
however many others wait.
"""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import registry
from sqlmodel import Field, MetaData, SQLModel

from common.db import NAMING, now, text_enum
from common.outbox import OutboxColumns


class Base(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    pass


INSTANT = sa.DateTime(timezone=True)


class DisabledReason(StrEnum):
    """The reason why Loupe disabled a webhook."""

    GONE = "gone"
    FAILING = "failing"


class Status(StrEnum):
    """The state of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Webhook(Base, table=True):
    """An address that gets events. The secrets are encrypted, see `outbound.secrets`."""

    __table_args__ = (
        sa.Index("ix_webhook_user_id_id", "user_id", "id"),
        sa.Index(
            "ix_webhook_failing", "failing_since", postgresql_where=sa.text("failing_since IS NOT NULL")
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    user_id: int = Field(sa_type=sa.BigInteger)
    url: str = Field(sa_type=sa.String)
    types: list[str] = Field(sa_type=ARRAY(sa.String))  # pyright: ignore[reportArgumentType, reportCallIssue]
    """The types of events that it gets. Empty means all."""
    description: str = Field(sa_type=sa.String)
    is_enabled: bool
    disabled_reason: DisabledReason | None = Field(default=None, sa_type=text_enum(DisabledReason))
    failing_since: datetime | None = Field(default=None, sa_type=INSTANT)
    """The time of the first failure since the last success."""
    secret: bytes
    previous_secret: bytes | None = None
    previous_secret_expires_at: datetime | None = Field(default=None, sa_type=INSTANT)
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    updated_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class AccountSecret(Base, table=True):
    """The secret that signs deliveries to the `webhook_url` of a user's uploads."""

    __tablename__ = "account_secret"  # pyright: ignore[reportAssignmentType]

    user_id: int = Field(sa_type=sa.BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    secret: bytes
    previous_secret: bytes | None = None
    previous_secret_expires_at: datetime | None = Field(default=None, sa_type=INSTANT)
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class Turn(Base, table=True):
    """The time when the next delivery of a user may be due. None if nothing waits."""

    __table_args__ = (
        sa.Index("ix_turn_next_at", "next_at", postgresql_where=sa.text("next_at IS NOT NULL")),
    )

    user_id: int = Field(sa_type=sa.BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    next_at: datetime | None = Field(default=None, sa_type=INSTANT)


class Lane(Base, table=True):
    """A queue of deliveries of a user: to one webhook, or without a webhook to one host."""

    __table_args__ = (
        sa.Index("ix_lane_webhook_id", "webhook_id", unique=True),
        sa.Index(
            "ix_lane_user_id_host",
            "user_id",
            "host",
            unique=True,
            postgresql_where=sa.text("webhook_id IS NULL"),
        ),
        sa.Index(
            "ix_lane_user_id_next_at", "user_id", "next_at", postgresql_where=sa.text("next_at IS NOT NULL")
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    user_id: int = Field(sa_type=sa.BigInteger)
    webhook_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    host: str = Field(sa_type=sa.String)
    next_at: datetime | None = Field(default=None, sa_type=INSTANT)
    """When the next delivery may be due. None if nothing waits."""


class Delivery(Base, table=True):
    """One event for one address. What happened at the last attempt is the log."""

    __table_args__ = (
        sa.Index(
            "ix_delivery_webhook_id_event_id",
            "webhook_id",
            "event_id",
            unique=True,
            postgresql_where=sa.text("webhook_id IS NOT NULL"),
        ),
        sa.Index(
            "ix_delivery_url_event_id",
            "event_id",
            "url",
            unique=True,
            postgresql_where=sa.text("webhook_id IS NULL"),
        ),
        sa.Index("ix_delivery_due", "lane_id", "due_at", postgresql_where=sa.text("status = 'waiting'")),
        sa.Index(
            "ix_delivery_leased",
            "host",
            "user_id",
            "lease_until",
            postgresql_where=sa.text("lease_until IS NOT NULL"),
        ),
        sa.Index("ix_delivery_webhook_id_id", "webhook_id", "id"),
        sa.Index("ix_delivery_user_id", "user_id"),
        sa.Index("ix_delivery_created_at", "created_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    user_id: int = Field(sa_type=sa.BigInteger)
    webhook_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    """None if it goes to the `webhook_url` of an upload."""
    lane_id: int = Field(sa_type=sa.BigInteger)
    url: str | None = Field(default=None, sa_type=sa.String)
    """The `webhook_url` of an upload. None if it goes to the address that its webhook has at that time."""
    host: str = Field(sa_type=sa.String)
    event_id: str = Field(sa_type=sa.String)
    type: str = Field(sa_type=sa.String)
    image_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    batch_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    about_webhook_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    """The webhook that the event is about."""
    occurred_at: datetime = Field(sa_type=INSTANT)
    status: Status = Field(default=Status.WAITING, sa_type=text_enum(Status))
    due_at: datetime = Field(sa_type=INSTANT)
    lease_until: datetime | None = Field(default=None, sa_type=INSTANT)
    """Until when a process may work on it. None if no process does."""
    attempts: int = 0
    """How many attempts its schedule has had. A replay begins the schedule anew."""
    last_attempt_at: datetime | None = Field(default=None, sa_type=INSTANT)
    status_code: int | None = None
    milliseconds: int | None = None
    answer: str | None = Field(default=None, sa_type=sa.String)
    error: str | None = Field(default=None, sa_type=sa.String)
    created_at: datetime = Field(sa_type=INSTANT)


class Outbox(OutboxColumns, Base, table=True):
    """Events that the relay has not published yet, see common.outbox."""
