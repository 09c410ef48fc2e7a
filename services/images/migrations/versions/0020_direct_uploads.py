"""Add files that clients put into the object store themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "direct_upload",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_direct_upload"),
        sa.UniqueConstraint("object_key", name="uq_direct_upload_object_key"),
    )
    op.create_index("ix_direct_upload_user_id", "direct_upload", ["user_id"])
    op.create_index("ix_direct_upload_expires_at", "direct_upload", ["expires_at"])


def downgrade() -> None:
    op.drop_table("direct_upload")
