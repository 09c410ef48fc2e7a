"""Add the audit, cut into partitions by month, and the trigger that keeps its rows as they are.

Auth itself makes the partitions: see `auth.domain.audit`.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

REFUSE = """
    CREATE FUNCTION keep_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND NEW.client_address IS NULL AND NEW.user_agent IS NULL
            AND ROW(NEW.occurred_at, NEW.id, NEW.event, NEW.user_id, NEW.actor, NEW.operator_id,
                    NEW.request_id, NEW.details)
                IS NOT DISTINCT FROM
                ROW(OLD.occurred_at, OLD.id, OLD.event, OLD.user_id, OLD.actor, OLD.operator_id,
                    OLD.request_id, OLD.details)
            AND coalesce(OLD.operator_id, OLD.user_id) IS NOT NULL
            AND NOT EXISTS (SELECT FROM user_account WHERE id = coalesce(OLD.operator_id, OLD.user_id))
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'the audit keeps its rows: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
    END
    $$
"""
TRIGGER = """
    CREATE TRIGGER keep_audit_entry BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION keep_audit_entry()
"""


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=True),
        sa.Column("client_address", sa.String(), nullable=True),
        sa.Column("user_agent", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("details", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("occurred_at", "id", name=op.f("pk_audit_entry")),
        postgresql_partition_by="RANGE (occurred_at)",
    )
    op.create_index("ix_audit_entry_user", "audit_entry", ["user_id", "occurred_at"])
    op.create_index("ix_audit_entry_operator", "audit_entry", ["operator_id"])
    op.execute(REFUSE)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.drop_table("audit_entry")
    op.execute("DROP FUNCTION keep_audit_entry()")
