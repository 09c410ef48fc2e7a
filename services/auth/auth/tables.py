"""The tables of auth. Mail addresses are in lower case. Only the SHA-256 of a token's secret is stored.

An `id` is None until the row is in the database, so code that reads it writes `user.id or 0` for the types.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
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
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    updated_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class Token(Base, table=True):
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
    expires_at: datetime | None = Field(default=None, sa_type=INSTANT)
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)


class SigningKey(Base, table=True):
    """An Ed25519 key that signs internal tokens. It is encrypted with a secret of the installation."""

    __tablename__ = "signing_key"  # pyright: ignore[reportAssignmentType]

    id: str = Field(primary_key=True, sa_type=sa.String)
    private_key: bytes
    created_at: datetime = Field(default_factory=now, sa_type=INSTANT)
    retired_at: datetime | None = Field(default=None, sa_type=INSTANT)


class Outbox(OutboxColumns, Base, table=True):
    """Events that the relay has not published yet, see common.outbox."""
