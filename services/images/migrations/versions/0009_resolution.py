"""Add the requested resolution of a result."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image", sa.Column("dpi", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("image", "dpi")
