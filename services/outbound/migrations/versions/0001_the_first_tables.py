"""Create the first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_secret",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_secret_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_account_secret")),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("webhook_id", sa.BigInteger(), nullable=True),
        sa.Column("lane_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=True),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column("about_webhook_id", sa.BigInteger(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "status",
            sa.Enum("waiting", "delivered", "failed", name="status", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    op.create_index("ix_delivery_created_at", "delivery", ["created_at"], unique=False)
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["lane_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_index(
        "ix_delivery_leased",
        "delivery",
        ["host", "user_id", "lease_until"],
        unique=False,
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_index(
        "ix_delivery_url_event_id",
        "delivery",
        ["event_id", "url"],
        unique=True,
        postgresql_where=sa.text("webhook_id IS NULL"),
    )
    op.create_index("ix_delivery_user_id", "delivery", ["user_id"], unique=False)
    op.create_index(
        "ix_delivery_webhook_id_event_id",
        "delivery",
        ["webhook_id", "event_id"],
        unique=True,
        postgresql_where=sa.text("webhook_id IS NOT NULL"),
    )
    op.create_index("ix_delivery_webhook_id_id", "delivery", ["webhook_id", "id"], unique=False)
    op.create_table(
        "lane",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("webhook_id", sa.BigInteger(), nullable=True),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lane")),
    )
    op.create_index(
        "ix_lane_user_id_host",
        "lane",
        ["user_id", "host"],
        unique=True,
        postgresql_where=sa.text("webhook_id IS NULL"),
    )
    op.create_index(
        "ix_lane_user_id_next_at",
        "lane",
        ["user_id", "next_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_lane_webhook_id", "lane", ["webhook_id"], unique=True)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("trace_parent", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_table(
        "turn",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_turn")),
    )
    op.create_index(
        "ix_turn_next_at", "turn", ["next_at"], unique=False, postgresql_where=sa.text("next_at IS NOT NULL")
    )
    op.create_table(
        "webhook",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("types", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column(
            "disabled_reason",
            sa.Enum("gone", "failing", name="disabledreason", native_enum=False, length=16),
            nullable=True,
        ),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_secret_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
    )
    op.create_index(
        "ix_webhook_failing",
        "webhook",
        ["failing_since"],
        unique=False,
        postgresql_where=sa.text("failing_since IS NOT NULL"),
    )
    op.create_index("ix_webhook_user_id_id", "webhook", ["user_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_webhook_user_id_id", table_name="webhook")
    op.drop_index(
        "ix_webhook_failing", table_name="webhook", postgresql_where=sa.text("failing_since IS NOT NULL")
    )
    op.drop_table("webhook")
    op.drop_index("ix_turn_next_at", table_name="turn", postgresql_where=sa.text("next_at IS NOT NULL"))
    op.drop_table("turn")
    op.drop_table("outbox")
    op.drop_index("ix_lane_webhook_id", table_name="lane")
    op.drop_index(
        "ix_lane_user_id_next_at", table_name="lane", postgresql_where=sa.text("next_at IS NOT NULL")
    )
    op.drop_index("ix_lane_user_id_host", table_name="lane", postgresql_where=sa.text("webhook_id IS NULL"))
    op.drop_table("lane")
    op.drop_index("ix_delivery_webhook_id_id", table_name="delivery")
    op.drop_index(
        "ix_delivery_webhook_id_event_id",
        table_name="delivery",
        postgresql_where=sa.text("webhook_id IS NOT NULL"),
    )
    op.drop_index("ix_delivery_user_id", table_name="delivery")
    op.drop_index(
        "ix_delivery_url_event_id", table_name="delivery", postgresql_where=sa.text("webhook_id IS NULL")
    )
    op.drop_index(
        "ix_delivery_leased", table_name="delivery", postgresql_where=sa.text("lease_until IS NOT NULL")
    )
    op.drop_index("ix_delivery_due", table_name="delivery", postgresql_where=sa.text("status = 'waiting'"))
    op.drop_index("ix_delivery_created_at", table_name="delivery")
    op.drop_table("delivery")
    op.drop_table("account_secret")
