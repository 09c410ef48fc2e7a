"""Add the models that workers announce."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "offered_model",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("nets", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_offered_model")),
    )


def downgrade() -> None:
    op.drop_table("offered_model")
