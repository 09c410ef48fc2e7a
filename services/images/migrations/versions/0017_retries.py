"""Add the failures before each retry of an image, and events for clients about retries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# An image or a batch that is retried is accepted once more. The functions are those of migration 0014.
TRIGGERS = (
    """
    CREATE TRIGGER image_retried_event AFTER UPDATE ON image FOR EACH ROW
    WHEN (OLD.status = 'failed' AND NEW.status = 'pending')
    EXECUTE FUNCTION write_image_event('image.accepted')
    """,
    """
    CREATE CONSTRAINT TRIGGER batch_retried_event AFTER UPDATE ON batch DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.status NOT IN ('pending', 'processing') AND NEW.status = 'processing')
    EXECUTE FUNCTION write_batch_event('batch.accepted')
    """,
)


def upgrade() -> None:
    op.add_column(
        "image", sa.Column("earlier_failures", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )
    op.add_column("image", sa.Column("retried_at", sa.DateTime(timezone=True), nullable=True))
    for statement in TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    for trigger, table in (("image_retried_event", "image"), ("batch_retried_event", "batch")):
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
    op.drop_column("image", "retried_at")
    op.drop_column("image", "earlier_failures")
