"""The tables of billing: subscriptions, and for each month a counter, reservations and a ledger."""

import uuid
from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, MetaData, SQLModel

from common.db import NAMING, now, text_enum
from common.outbox import OutboxColumns


class Base(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    pass


INSTANT = sa.DateTime(timezone=True)


class State(StrEnum):
    """The state of a reservation. Only `reserved` and `captured` count.

    An `expired` one counts again if its image completes.
    """

    RESERVED = "reserved"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


class Reason(StrEnum):
    """The reason of a ledger entry."""

    RESERVED = "reserved"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"
    RETAKEN = "retaken"


class Subscription(Base, table=True):
    """`status` is the value that an operator set. The present status also depends on the instants, see
    `domain.subscriptions.status`. If `images_per_month` is None, the quota of the plan applies, or none if
    `is_unlimited`.
    """

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    user_id: int = Field(sa_type=sa.BigInteger, unique=True)
    plan: str = Field(sa_type=sa.String)
    type: str = Field(default="default", sa_type=sa.String)
    status: str = Field(default="active", sa_type=sa.String)
    quantity: int = 1
    images_per_month: int | None = None
    is_unlimited: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    trial_ends_at: datetime | None = Field(default=None, sa_type=INSTANT)
    ends_at: datetime | None = Field(default=None, sa_type=INSTANT)
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    updated_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class Quota(Base, table=True):
    """The counter of a user's month (UTC). `version` grows with each change, which orders the events."""

    __table_args__ = (sa.CheckConstraint("used >= 0", name="used_is_a_count"),)

    user_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    period_start: date = Field(primary_key=True)
    used: int
    version: int = Field(sa_type=sa.BigInteger)


class Reservation(Base, table=True):
    __table_args__ = (
        sa.Index("ix_reservation_open", "expires_at", postgresql_where=sa.text("state = 'reserved'")),
    )

    id: uuid.UUID = Field(primary_key=True)
    user_id: int = Field(sa_type=sa.BigInteger)
    period_start: date
    state: State = Field(
        sa_type=text_enum(State),
    )
    expires_at: datetime = Field(sa_type=INSTANT)
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class LedgerEntry(Base, table=True):
    """A change of a month's count. The database refuses to update or delete entries."""

    __tablename__ = "ledger_entry"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (sa.Index("ix_ledger_entry_month", "user_id", "period_start"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    reservation_id: uuid.UUID
    user_id: int = Field(sa_type=sa.BigInteger)
    period_start: date
    change: int
    reason: Reason = Field(sa_type=text_enum(Reason))
    created_at: datetime = Field(sa_type=INSTANT)


class Outbox(OutboxColumns, Base, table=True):
    """Events that the relay has not published yet, see common.outbox."""
