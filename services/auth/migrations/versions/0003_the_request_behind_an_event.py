"""Store with each event the id of the request that caused it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("request_id", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("outbox", "request_id")
