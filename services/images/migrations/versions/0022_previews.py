"""Add which previews an image has."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image", sa.Column("previews", sa.ARRAY(sa.String()), nullable=True))


def downgrade() -> None:
    op.drop_column("image", "previews")
