"""Add the options of a result (model, fit, quality, metadata) and the progress of the work."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image", sa.Column("fit", sa.String(), server_default="stretch", nullable=False))
    op.add_column("image", sa.Column("quality", sa.Integer(), nullable=True))
    op.add_column(
        "image", sa.Column("keeps_metadata", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("image", sa.Column("model_asked", sa.String(), server_default="auto", nullable=False))
    op.add_column("image", sa.Column("progress", sa.Integer(), server_default="0", nullable=False))
    for name in ("model_used", "model_reason", "model_message"):
        op.add_column("image", sa.Column(name, sa.String(), nullable=True))


def downgrade() -> None:
    for name in ("progress", "model_message", "model_reason", "model_used", "model_asked"):
        op.drop_column("image", name)
    op.drop_column("image", "keeps_metadata")
    op.drop_column("image", "quality")
    op.drop_column("image", "fit")
