"""Count the refused items of manifests, by user and hour."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("undecodable", sa.Column("items_hour", sa.BigInteger(), nullable=True))
    op.add_column("undecodable", sa.Column("refused_items", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("undecodable", "refused_items")
    op.drop_column("undecodable", "items_hour")
