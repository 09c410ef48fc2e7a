"""Add the requested level of denoising of an image, and the one that was used."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image", sa.Column("denoise_asked", sa.Integer(), nullable=True))
    op.add_column("image", sa.Column("denoise_used", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("image", "denoise_used")
    op.drop_column("image", "denoise_asked")
