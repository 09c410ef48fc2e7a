"""Add where the files of manifests come from, and the client's own names for its items."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# An image whose file is not there yet is pending, and its turn is negative. So replicas of the release before
# neither give it a turn, because they look for 0, nor let it into the stream, because they look for more.
HAS_HAD_TURN = "status IN ('pending', 'processing') AND turn > 0"


def upgrade() -> None:
    op.create_table(
        "image_source",
        sa.Column("image_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("upload_id", sa.Uuid(), nullable=True),
        sa.Column("output_format", sa.String(), nullable=True),
        sa.Column("max_scale", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("fetcher_id", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("image_id", name="pk_image_source"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["image.id"], name="fk_image_source_image_id_image", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_image_source_due",
        "image_source",
        ["user_id", "image_id"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.add_column("image", sa.Column("reference", sa.String(), nullable=True))
    op.add_column(
        "batch",
        sa.Column("fetching_images", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.create_index(
        "ix_image_last_turn",
        "image",
        ["user_id", "is_priority", "turn"],
        postgresql_where=sa.text(HAS_HAD_TURN),
    )


def downgrade() -> None:
    op.drop_index("ix_image_last_turn", "image")
    op.drop_column("batch", "fetching_images")
    op.drop_column("image", "reference")
    op.drop_table("image_source")
