"""Add what uploads under way have reserved and stored, so that an interrupted one can be undone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "upload_intent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("reservation_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("object_keys", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("alive_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_upload_intent"),
    )
    op.create_index("ix_upload_intent_alive_until", "upload_intent", ["alive_until"])


def downgrade() -> None:
    op.drop_table("upload_intent")
