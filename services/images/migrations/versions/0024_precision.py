"""Add the precision that networks compute in: the requested one, and the one that was used."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image", sa.Column("precision", sa.String(), server_default="auto", nullable=False))
    op.add_column("image", sa.Column("precision_used", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("image", "precision_used")
    op.drop_column("image", "precision")
