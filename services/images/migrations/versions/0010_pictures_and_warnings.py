"""Add the number of pages or frames of a result, and its warnings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image", sa.Column("pictures", sa.Integer(), nullable=True))
    op.add_column("image", sa.Column("warnings", JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("image", "warnings")
    op.drop_column("image", "pictures")
