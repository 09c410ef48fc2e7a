"""The tables of auth. Mail addresses are in lower case. Only the SHA-256 of a token's secret is stored.

An `id` is None until the row is in the database, so code that reads it writes `user.id or 0` for the types.
"""

import uuid
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, MetaData, SQLModel

from common.db import NAMING, now
from common.outbox import OutboxColumns


class Base(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    pass


INSTANT = sa.DateTime(timezone=True)


class User(Base, table=True):
    __tablename__ = "user_account"  # pyright: ignore[reportAssignmentType]

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    name: str = Field(sa_type=sa.String)
    email: str = Field(sa_type=sa.String, unique=True)
    password_hash: str = Field(sa_type=sa.String)
    email_verified_at: datetime | None = Field(default=None, sa_type=INSTANT)
    last_mail_at: datetime | None = Field(default=None, sa_type=INSTANT)
    pending_email: str | None = Field(default=None, sa_type=sa.String)
    """The address that replaces `email` once it is verified."""
    second_factor_secret: bytes | None = None
    """The encrypted secret of the codes. It counts from `second_factor_at` on."""
    second_factor_at: datetime | None = Field(default=None, sa_type=INSTANT)
    second_factor_step: int | None = Field(default=None, sa_type=sa.BigInteger)
    """The interval of the last code that was used. Older codes are refused, and so is the same one."""
    role: str = Field(default="user", sa_type=sa.String, sa_column_kwargs={"server_default": "user"})
    """`user`, or `operator` for those who run the installation."""
    blocked_at: datetime | None = Field(default=None, sa_type=INSTANT)
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    updated_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class Token(Base, table=True):
    """An API token, or a session of the console.

    Both are rows of one table, so that whatever revokes all tokens ends the sessions too, also if a replica
    of the release before does it.
    """

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    user_id: int = Field(
        sa_column=sa.Column(
            sa.BigInteger, sa.ForeignKey("user_account.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    name: str = Field(sa_type=sa.String)
    abilities: list[str] = Field(sa_type=ARRAY(sa.String))
    secret_hash: bytes
    last_used_at: datetime | None = Field(default=None, sa_type=INSTANT)
    signed_in_at: datetime | None = Field(default=None, sa_type=INSTANT)
    """The time of the login that gave this token. None for a token made with another token."""
    expires_at: datetime | None = Field(default=None, sa_type=INSTANT)
    console_ends_at: datetime | None = Field(default=None, sa_type=INSTANT)
    """The time at which a session of the console ends, however it is used. None for an API token."""
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class RecoveryCode(Base, table=True):
    """A code that replaces a code of the second factor once. A used code is deleted."""

    __tablename__ = "recovery_code"  # pyright: ignore[reportAssignmentType]

    user_id: int = Field(
        sa_column=sa.Column(
            sa.BigInteger, sa.ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True
        )
    )
    code_hash: bytes = Field(primary_key=True)
    made_at: datetime | None = Field(default_factory=now, sa_type=INSTANT)
    """None for codes of the release before this column."""


class FirstRun(Base, table=True):
    """The one-time code for the account of the first operator. There is at most one row."""

    __tablename__ = "first_run"  # pyright: ignore[reportAssignmentType]

    id: int = Field(default=1, primary_key=True, sa_column_kwargs={"autoincrement": False})
    code_hash: bytes
    expires_at: datetime = Field(sa_type=INSTANT)


class AddressChange(Base, table=True):
    """A change of a mail address, which the former address can undo for a time."""

    __tablename__ = "address_change"  # pyright: ignore[reportAssignmentType]

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    user_id: int = Field(
        sa_column=sa.Column(
            sa.BigInteger, sa.ForeignKey("user_account.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    former_email: str = Field(sa_type=sa.String, index=True)
    requested_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    done_at: datetime | None = Field(default=None, sa_type=INSTANT)
    undone_at: datetime | None = Field(default=None, sa_type=INSTANT)


class KnownClient(Base, table=True):
    """The network address of a client from which a user has logged in."""

    __tablename__ = "known_client"  # pyright: ignore[reportAssignmentType]

    user_id: int = Field(
        sa_column=sa.Column(
            sa.BigInteger, sa.ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True
        )
    )
    client_address: str = Field(primary_key=True, sa_type=sa.String)
    seen_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class Guesses(Base, table=True):
    """A count of wrong passwords or codes. Its key is a hash."""

    key: bytes = Field(primary_key=True)
    count: int = Field(sa_type=sa.Integer)
    counted_at: datetime = Field(sa_type=INSTANT, index=True)


class MailCount(Base, table=True):
    """A count of the mails that an address or a user got on a day. Its key is a hash."""

    __tablename__ = "mail_count"  # pyright: ignore[reportAssignmentType]

    day: date = Field(primary_key=True, sa_type=sa.Date)
    key: bytes = Field(primary_key=True)
    count: int = Field(sa_type=sa.Integer)
    counted_at: datetime = Field(sa_type=INSTANT)


class AuditEntry(Base, table=True):
    """Something that happened to an account. The table is cut into partitions by month, see `domain.audit`.

    A trigger refuses to change or delete a row, except that address and program of a user's client are taken
    away once the user has been deleted.
    """

    __tablename__ = "audit_entry"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        sa.Index("ix_audit_entry_user", "user_id", "occurred_at"),
        sa.Index("ix_audit_entry_operator", "operator_id"),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )

    occurred_at: datetime = Field(primary_key=True, sa_type=INSTANT)
    id: uuid.UUID = Field(primary_key=True, sa_type=sa.Uuid)
    event: str = Field(sa_type=sa.String)
    user_id: int | None = Field(sa_type=sa.BigInteger)
    """None if no user is known. The user may have been deleted."""
    actor: str = Field(sa_type=sa.String)
    """`user`, `operator` or `system`."""
    operator_id: int | None = Field(sa_type=sa.BigInteger)
    client_address: str | None = Field(sa_type=sa.String)
    user_agent: str | None = Field(sa_type=sa.String)
    request_id: str | None = Field(sa_type=sa.String)
    details: dict[str, str] = Field(sa_type=JSONB)


class SigningKey(Base, table=True):
    """An Ed25519 key that signs internal tokens. It is encrypted with a secret of the installation."""

    __tablename__ = "signing_key"  # pyright: ignore[reportAssignmentType]

    id: str = Field(primary_key=True, sa_type=sa.String)
    private_key: bytes
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    retired_at: datetime | None = Field(default=None, sa_type=INSTANT)


class Outbox(OutboxColumns, Base, table=True):
    """Events that the relay has not published yet, see common.outbox."""
