"""Add the role of users, and when a user was blocked."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user_account", sa.Column("role", sa.String(), server_default="user", nullable=False))
    op.add_column("user_account", sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("user_account", "blocked_at")
    op.drop_column("user_account", "role")
