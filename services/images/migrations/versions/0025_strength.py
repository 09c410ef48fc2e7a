"""Add the requested strength of `enhance` in an image, and the one that was used."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image", sa.Column("strength_asked", sa.Float(), nullable=True))
    op.add_column("image", sa.Column("strength_used", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("image", "strength_used")
    op.drop_column("image", "strength_asked")
