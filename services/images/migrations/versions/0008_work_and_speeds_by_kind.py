"""Add the work of an image, and the speeds of workers by kind of work."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image", sa.Column("work_megapixels", sa.Float(), nullable=True))
    op.add_column("image", sa.Column("work_kind", sa.String(), nullable=True))
    op.add_column("worker", sa.Column("speeds", postgresql.JSONB(none_as_null=True), nullable=True))
    op.add_column("worker", sa.Column("seconds_per_job", sa.Float(), nullable=True))
    op.add_column("worker", sa.Column("places", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("worker", "places")
    op.drop_column("worker", "seconds_per_job")
    op.drop_column("worker", "speeds")
    op.drop_column("image", "work_kind")
    op.drop_column("image", "work_megapixels")
