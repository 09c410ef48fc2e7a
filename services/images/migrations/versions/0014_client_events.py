"""Add events for clients, which triggers write in the transaction of each change."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Triggers write the events, so that no change is without its event, whichever release makes it.
#
# Changes of one image hold the lock of its row, and changes of a batch the lock of its user. So the ids of
# events about an image are in the order of its changes, and so are those about a batch and its images. Events
# about a batch are written at the commit: after those of the images that the same transaction ends.
IMAGE_EVENT = """
CREATE FUNCTION write_image_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM former_user WHERE user_id = OLD.user_id) THEN
            RETURN NULL;
        END IF;
        IF OLD.status IN ('pending', 'processing') THEN
            INSERT INTO client_event (user_id, type, image_id, batch_id)
            VALUES (OLD.user_id, 'image.failed', OLD.id, OLD.batch_id);
        END IF;
        INSERT INTO client_event (user_id, type, image_id, batch_id)
        VALUES (OLD.user_id, TG_ARGV[0], OLD.id, OLD.batch_id);
    ELSE
        INSERT INTO client_event (user_id, type, image_id, batch_id)
        VALUES (NEW.user_id, coalesce(TG_ARGV[0], 'image.' || NEW.status), NEW.id, NEW.batch_id);
    END IF;
    PERFORM pg_notify('client_event', '');
    RETURN NULL;
END $$
"""
BATCH_EVENT = """
CREATE FUNCTION write_batch_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO client_event (user_id, type, batch_id)
    VALUES (NEW.user_id, coalesce(TG_ARGV[0], 'batch.' || NEW.status), NEW.id);
    PERFORM pg_notify('client_event', '');
    RETURN NULL;
END $$
"""
TRIGGERS = (
    """
    CREATE TRIGGER image_accepted_event AFTER INSERT ON image FOR EACH ROW
    WHEN (NEW.status = 'pending') EXECUTE FUNCTION write_image_event('image.accepted')
    """,
    """
    CREATE TRIGGER image_status_event AFTER UPDATE ON image FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND NEW.status <> 'pending') EXECUTE FUNCTION write_image_event()
    """,
    """
    CREATE TRIGGER image_progress_event AFTER UPDATE ON image FOR EACH ROW
    WHEN (OLD.status = 'processing' AND NEW.status = 'processing' AND NEW.progress > OLD.progress)
    EXECUTE FUNCTION write_image_event('image.progress')
    """,
    """
    CREATE TRIGGER image_deleted_event AFTER DELETE ON image FOR EACH ROW
    EXECUTE FUNCTION write_image_event('image.deleted')
    """,
    """
    CREATE CONSTRAINT TRIGGER batch_accepted_event AFTER INSERT ON batch DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION write_batch_event('batch.accepted')
    """,
    """
    CREATE CONSTRAINT TRIGGER batch_progress_event AFTER UPDATE ON batch DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'processing' AND (OLD.status <> NEW.status
        OR OLD.completed_images + OLD.failed_images <> NEW.completed_images + NEW.failed_images))
    EXECUTE FUNCTION write_batch_event('batch.progress')
    """,
    """
    CREATE CONSTRAINT TRIGGER batch_ended_event AFTER UPDATE ON batch DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status NOT IN ('pending', 'processing') AND OLD.status <> NEW.status)
    EXECUTE FUNCTION write_batch_event()
    """,
)


def upgrade() -> None:
    op.create_table(
        "client_event",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=True),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "message_id", sa.String(), server_default=sa.text("(gen_random_uuid())::text"), nullable=False
        ),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_event")),
    )
    for statement in (IMAGE_EVENT, BATCH_EVENT, *TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    for trigger, table in (
        ("image_accepted_event", "image"),
        ("image_status_event", "image"),
        ("image_progress_event", "image"),
        ("image_deleted_event", "image"),
        ("batch_accepted_event", "batch"),
        ("batch_progress_event", "batch"),
        ("batch_ended_event", "batch"),
    ):
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
    for function in ("write_image_event", "write_batch_event"):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("client_event")
