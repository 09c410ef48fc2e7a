"""Add pending addresses, second factors, counts of guesses and mails, and logins of tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("user_account", sa.Column("pending_email", sa.String(), nullable=True))
    op.add_column("user_account", sa.Column("second_factor_secret", sa.LargeBinary(), nullable=True))
    op.add_column("user_account", sa.Column("second_factor_at", INSTANT, nullable=True))
    op.add_column("user_account", sa.Column("second_factor_step", sa.BigInteger(), nullable=True))
    op.add_column("token", sa.Column("signed_in_at", INSTANT, nullable=True))
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        _of_user("recovery_code"),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_code")),
    )
    op.create_table(
        "address_change",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("former_email", sa.String(), nullable=False),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.Column("undone_at", INSTANT, nullable=True),
        _of_user("address_change"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_change")),
    )
    op.create_index(op.f("ix_address_change_user_id"), "address_change", ["user_id"], unique=False)
    op.create_index(op.f("ix_address_change_former_email"), "address_change", ["former_email"], unique=False)
    op.create_table(
        "known_client",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("client_address", sa.String(), nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        _of_user("known_client"),
        sa.PrimaryKeyConstraint("user_id", "client_address", name=op.f("pk_known_client")),
    )
    op.create_table(
        "guesses",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("counted_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_guesses")),
    )
    op.create_index(op.f("ix_guesses_counted_at"), "guesses", ["counted_at"], unique=False)
    op.create_table(
        "mail_count",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("counted_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("day", "key", name=op.f("pk_mail_count")),
    )


def downgrade() -> None:
    op.drop_table("mail_count")
    op.drop_table("guesses")
    op.drop_table("known_client")
    op.drop_table("address_change")
    op.drop_table("recovery_code")
    op.drop_column("token", "signed_in_at")
    op.drop_column("user_account", "second_factor_step")
    op.drop_column("user_account", "second_factor_at")
    op.drop_column("user_account", "second_factor_secret")
    op.drop_column("user_account", "pending_email")


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_user_id_user_account")
    return sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=name, ondelete="CASCADE")
