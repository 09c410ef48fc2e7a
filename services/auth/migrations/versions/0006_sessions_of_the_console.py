"""Add when a session of the console ends at the latest. A row without it is an API token."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("token", sa.Column("console_ends_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.execute("DELETE FROM token WHERE console_ends_at IS NOT NULL")
    op.drop_column("token", "console_ends_at")
