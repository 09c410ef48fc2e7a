"""Add batches, blocks of images for pages and counts, deleted users, and attempts that no longer count."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Blocks count a user's images in groups of a thousand, in the order of their ids. An image belongs to the
# block of its user with the greatest first_id that is not above the image's id. With blocks, images can be
# counted, and the 900,000th be found, without reading the images. The triggers keep the counts exact for
# every statement that changes images, as long as it changes no id and no user_id.
#
# A block takes images until a thousand were added. The next image opens a new block. A caller that does not
# take the user's lock (images.domain.jobs.lock_user) may insert ids out of order. Such an image is counted in
# the block that its id belongs to, even if that block is full. The trigger takes the lock for such callers.
ADDED = """
CREATE FUNCTION count_added_images() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(user_id)
    FROM (SELECT DISTINCT user_id FROM added ORDER BY user_id) AS owner;
    INSERT INTO image_block AS block (user_id, first_id, last_id, added, total, completed, failed)
    SELECT user_id, CASE WHEN further = 0 THEN into_id ELSE min(id) END, max(id), count(*), count(*),
        count(*) FILTER (WHERE status = 'completed'), count(*) FILTER (WHERE status = 'failed')
    FROM (
        SELECT user_id, id, status, into_id, CASE
            WHEN into_id IS NULL THEN 1 + number / 1000
            WHEN id < last_id THEN 0
            ELSE (already_added + number) / 1000
        END AS further
        FROM (
            SELECT image.user_id, image.id, image.status,
                block.first_id AS into_id, block.last_id, block.added AS already_added,
                row_number() OVER (PARTITION BY image.user_id, block.first_id ORDER BY image.id) - 1 AS number
            FROM added AS image LEFT JOIN LATERAL (
                SELECT first_id, last_id, added FROM image_block
                WHERE user_id = image.user_id AND first_id <= image.id ORDER BY first_id DESC LIMIT 1
            ) AS block ON true
        ) AS numbered
    ) AS placed
    GROUP BY user_id, into_id, further
    ON CONFLICT (user_id, first_id) DO UPDATE SET
        last_id = greatest(block.last_id, excluded.last_id), added = block.added + excluded.added,
        total = block.total + excluded.total, completed = block.completed + excluded.completed,
        failed = block.failed + excluded.failed;
    RETURN NULL;
END $$
"""
CHANGED = """
CREATE FUNCTION count_changed_image() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE image_block SET
        completed = completed + (NEW.status = 'completed')::int - (OLD.status = 'completed')::int,
        failed = failed + (NEW.status = 'failed')::int - (OLD.status = 'failed')::int
    WHERE user_id = NEW.user_id AND first_id = (
        SELECT max(first_id) FROM image_block WHERE user_id = NEW.user_id AND first_id <= NEW.id);
    RETURN NULL;
END $$
"""
DELETED = """
CREATE FUNCTION count_deleted_images() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE image_block AS block SET
        total = block.total - gone.total,
        completed = block.completed - gone.completed,
        failed = block.failed - gone.failed
    FROM (
        SELECT image.user_id, of_image.first_id, count(*) AS total,
            count(*) FILTER (WHERE status = 'completed') AS completed,
            count(*) FILTER (WHERE status = 'failed') AS failed
        FROM deleted AS image CROSS JOIN LATERAL (
            SELECT max(first_id) AS first_id FROM image_block
            WHERE user_id = image.user_id AND first_id <= image.id
        ) AS of_image
        GROUP BY image.user_id, of_image.first_id
    ) AS gone
    WHERE block.user_id = gone.user_id AND block.first_id = gone.first_id;
    RETURN NULL;
END $$
"""
TRUNCATED = """
CREATE FUNCTION count_no_images() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM image_block;
    RETURN NULL;
END $$
"""
TRIGGERS = (
    """
    CREATE TRIGGER images_added AFTER INSERT ON image REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_added_images()
    """,
    """
    CREATE TRIGGER image_changed AFTER UPDATE ON image FOR EACH ROW
    WHEN (OLD.status <> NEW.status
        AND (OLD.status IN ('completed', 'failed') OR NEW.status IN ('completed', 'failed')))
    EXECUTE FUNCTION count_changed_image()
    """,
    """
    CREATE TRIGGER images_deleted AFTER DELETE ON image REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION count_deleted_images()
    """,
    """
    CREATE TRIGGER images_truncated AFTER TRUNCATE ON image
    FOR EACH STATEMENT EXECUTE FUNCTION count_no_images()
    """,
)
# Creating the triggers has locked `image` against changes until the transaction ends.
FILL = """
    INSERT INTO image_block (user_id, first_id, last_id, added, total, completed, failed)
    SELECT user_id, min(id), max(id), count(*), count(*),
        count(*) FILTER (WHERE status = 'completed'), count(*) FILTER (WHERE status = 'failed')
    FROM (
        SELECT user_id, id, status,
            (row_number() OVER (PARTITION BY user_id ORDER BY id) - 1) / 1000 AS number
        FROM image
    ) AS numbered
    GROUP BY user_id, number
"""


def upgrade() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "processing",
                "completed",
                "partially_failed",
                "failed",
                "cancelled",
                name="batchstatus",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("scale_factor", sa.Integer(), nullable=True),
        sa.Column("target_width", sa.Integer(), nullable=True),
        sa.Column("target_height", sa.Integer(), nullable=True),
        sa.Column("total_images", sa.Integer(), nullable=False),
        sa.Column("completed_images", sa.Integer(), nullable=False),
        sa.Column("failed_images", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
    )
    op.create_index("ix_batch_user_id_id", "batch", ["user_id", "id"], unique=False)
    op.create_index("ix_batch_user_id_status_id", "batch", ["user_id", "status", "id"], unique=False)
    op.create_table(
        "former_user",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_former_user")),
    )
    op.create_table(
        "image_block",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "first_id", name=op.f("pk_image_block")),
    )
    op.add_column("image", sa.Column("batch_id", sa.BigInteger(), nullable=True))
    op.add_column("image", sa.Column("attempts_from", sa.Integer(), server_default="0", nullable=False))
    op.create_foreign_key(op.f("fk_image_batch_id_batch"), "image", "batch", ["batch_id"], ["id"])
    op.create_index(
        "ix_image_batch_id",
        "image",
        ["batch_id", "id"],
        unique=False,
        postgresql_where=sa.text("batch_id IS NOT NULL"),
    )
    op.create_index("ix_image_original_path", "image", ["original_path"], postgresql_using="hash")
    for statement in (ADDED, CHANGED, DELETED, TRUNCATED, *TRIGGERS, FILL):
        op.execute(statement)


def downgrade() -> None:
    for trigger, function in (
        ("images_added", "count_added_images"),
        ("image_changed", "count_changed_image"),
        ("images_deleted", "count_deleted_images"),
        ("images_truncated", "count_no_images"),
    ):
        op.execute(f"DROP TRIGGER {trigger} ON image")
        op.execute(f"DROP FUNCTION {function}")
    op.drop_index("ix_image_original_path", table_name="image")
    op.drop_index("ix_image_batch_id", table_name="image", postgresql_where=sa.text("batch_id IS NOT NULL"))
    op.drop_constraint(op.f("fk_image_batch_id_batch"), "image", type_="foreignkey")
    op.drop_column("image", "attempts_from")
    op.drop_column("image", "batch_id")
    op.drop_table("image_block")
    op.drop_table("former_user")
    op.drop_index("ix_batch_user_id_status_id", table_name="batch")
    op.drop_index("ix_batch_user_id_id", table_name="batch")
    op.drop_table("batch")
