"""How results are written: fit, quality, metadata."""

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


def downgrade() -> None:
    op.drop_column("image", "keeps_metadata")
    op.drop_column("image", "quality")
    op.drop_column("image", "fit")
