"""Add to images and events the request that caused them: its id and, if it was traced, its span."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("request_id", sa.String(), nullable=True))
    for name in ("request_id", "trace_parent"):
        op.add_column("image", sa.Column(name, sa.String(), nullable=True))


def downgrade() -> None:
    for name in ("trace_parent", "request_id"):
        op.drop_column("image", name)
    op.drop_column("outbox", "request_id")
