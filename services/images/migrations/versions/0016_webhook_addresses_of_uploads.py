"""Add the address that an upload names for its end, which triggers copy to its events."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# As in 0014, with the address. An image that is deleted unfinished has an end too.
IMAGE_EVENT = """
CREATE OR REPLACE FUNCTION write_image_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM former_user WHERE user_id = OLD.user_id) THEN
            RETURN NULL;
        END IF;
        IF OLD.status IN ('pending', 'processing') THEN
            INSERT INTO client_event (user_id, type, image_id, batch_id{column})
            VALUES (OLD.user_id, 'image.failed', OLD.id, OLD.batch_id{old});
        END IF;
        INSERT INTO client_event (user_id, type, image_id, batch_id{column})
        VALUES (OLD.user_id, TG_ARGV[0], OLD.id, OLD.batch_id{old});
    ELSE
        INSERT INTO client_event (user_id, type, image_id, batch_id{column})
        VALUES (NEW.user_id, coalesce(TG_ARGV[0], 'image.' || NEW.status), NEW.id, NEW.batch_id{new});
    END IF;
    PERFORM pg_notify('client_event', '');
    RETURN NULL;
END $$
"""
BATCH_EVENT = """
CREATE OR REPLACE FUNCTION write_batch_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO client_event (user_id, type, batch_id{column})
    VALUES (NEW.user_id, coalesce(TG_ARGV[0], 'batch.' || NEW.status), NEW.id{new});
    PERFORM pg_notify('client_event', '');
    RETURN NULL;
END $$
"""
WITH_ADDRESS = {"column": ", webhook_url", "old": ", OLD.webhook_url", "new": ", NEW.webhook_url"}
WITHOUT_ADDRESS = dict.fromkeys(WITH_ADDRESS, "")
TABLES = ("image", "batch", "client_event")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("webhook_url", sa.String(), nullable=True))
    for function in (IMAGE_EVENT, BATCH_EVENT):
        op.execute(function.format(**WITH_ADDRESS))


def downgrade() -> None:
    for function in (IMAGE_EVENT, BATCH_EVENT):
        op.execute(function.format(**WITHOUT_ADDRESS))
    for table in TABLES:
        op.drop_column(table, "webhook_url")
