"""Add when images expire, which a trigger finds out at their end."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# A trigger sets the time, so that images which a replica of the release before ends expire too.
EXPIRY = """
CREATE FUNCTION set_image_expiry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.expires_at := CASE WHEN NEW.status IN ('completed', 'failed')
        THEN clock_timestamp() + make_interval(secs => NEW.expires_in) END;
    RETURN NEW;
END $$
"""
TRIGGER = """
CREATE TRIGGER image_expiry BEFORE UPDATE ON image FOR EACH ROW
WHEN (NEW.expires_in IS NOT NULL AND
    (OLD.status IN ('pending', 'processing')) <> (NEW.status IN ('pending', 'processing')))
EXECUTE FUNCTION set_image_expiry()
"""
# The function of migration 0016, with another event for an image whose time has come. No user can delete such
# an image any more, so it is the sweep that does it.
IMAGE_EVENT = """
CREATE OR REPLACE FUNCTION write_image_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM former_user WHERE user_id = OLD.user_id) THEN
            RETURN NULL;
        END IF;
        IF OLD.status IN ('pending', 'processing') THEN
            INSERT INTO client_event (user_id, type, image_id, batch_id, webhook_url)
            VALUES (OLD.user_id, 'image.failed', OLD.id, OLD.batch_id, OLD.webhook_url);
        END IF;
        INSERT INTO client_event (user_id, type, image_id, batch_id, webhook_url)
        VALUES (OLD.user_id, {deleted}, OLD.id, OLD.batch_id, OLD.webhook_url);
    ELSE
        INSERT INTO client_event (user_id, type, image_id, batch_id, webhook_url)
        VALUES (NEW.user_id, coalesce(TG_ARGV[0], 'image.' || NEW.status), NEW.id, NEW.batch_id,
            NEW.webhook_url);
    END IF;
    PERFORM pg_notify('client_event', '');
    RETURN NULL;
END $$
"""
EXPIRED = "CASE WHEN OLD.expires_at <= clock_timestamp() THEN 'image.expired' ELSE TG_ARGV[0] END"


def upgrade() -> None:
    op.add_column("image", sa.Column("expires_in", sa.Integer(), nullable=True))
    op.add_column("image", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    is_set = sa.text("expires_at IS NOT NULL")
    op.create_index("ix_image_expires_at", "image", ["expires_at"], postgresql_where=is_set)
    op.create_index(
        "ix_image_user_id_expires_at", "image", ["user_id", "expires_at"], postgresql_where=is_set
    )
    for statement in (EXPIRY, TRIGGER, IMAGE_EVENT.format(deleted=EXPIRED)):
        op.execute(statement)


def downgrade() -> None:
    op.execute(IMAGE_EVENT.format(deleted="TG_ARGV[0]"))
    op.execute("DROP TRIGGER image_expiry ON image")
    op.execute("DROP FUNCTION set_image_expiry")
    op.drop_index("ix_image_user_id_expires_at", "image")
    op.drop_index("ix_image_expires_at", "image")
    op.drop_column("image", "expires_at")
    op.drop_column("image", "expires_in")
