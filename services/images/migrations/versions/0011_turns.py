"""Add the turns in which images of all users are let into the stream."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

IS_WAITING = "status = 'pending' AND dispatched_at IS NULL"
IS_IN_STREAM = "status IN ('pending', 'processing') AND dispatched_at IS NOT NULL"


def upgrade() -> None:
    op.add_column("image", sa.Column("turn", sa.Float(), server_default="0", nullable=False))
    op.add_column("image", sa.Column("is_small", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        "ix_image_waiting",
        "image",
        ["is_priority", "is_small", "turn", "id"],
        postgresql_where=sa.text(IS_WAITING),
    )
    op.create_index(
        "ix_image_in_stream", "image", ["is_priority", "turn"], postgresql_where=sa.text(IS_IN_STREAM)
    )
    op.create_index(
        "ix_image_without_turn",
        "image",
        ["user_id", "id"],
        postgresql_where=sa.text(f"{IS_WAITING} AND turn = 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_image_without_turn", table_name="image")
    op.drop_index("ix_image_in_stream", table_name="image")
    op.drop_index("ix_image_waiting", table_name="image")
    op.drop_column("image", "is_small")
    op.drop_column("image", "turn")
