"""The ledger. Its first entries come from the reservations that exist already."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

REFUSAL = """
    CREATE FUNCTION refuse_change_of_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'entries of the ledger are only added' USING ERRCODE = 'restrict_violation';
    END $$
"""
TRIGGER = """
    CREATE TRIGGER ledger_entry_is_only_added BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_ledger()
"""
ACCEPTED_BEFORE = """
    INSERT INTO ledger_entry (reservation_id, user_id, period_start, change, reason, created_at)
    SELECT id, user_id, period_start, 1, 'reserved', created_at FROM reservation ORDER BY created_at
"""
SETTLED_BEFORE = """
    INSERT INTO ledger_entry (reservation_id, user_id, period_start, change, reason, created_at)
    SELECT id, user_id, period_start, CASE state WHEN 'captured' THEN 0 ELSE -1 END, state, now()
    FROM reservation WHERE state <> 'reserved' ORDER BY created_at
"""


def upgrade() -> None:
    op.create_table(
        "ledger_entry",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("reservation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "reserved",
                "captured",
                "released",
                "expired",
                "retaken",
                name="reason",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entry")),
    )
    op.create_index("ix_ledger_entry_month", "ledger_entry", ["user_id", "period_start"], unique=False)
    op.execute(
        "LOCK TABLE reservation IN SHARE ROW EXCLUSIVE MODE"
    )  # so that both statements see the same rows
    for statement in (ACCEPTED_BEFORE, SETTLED_BEFORE, REFUSAL, TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    op.drop_index("ix_ledger_entry_month", table_name="ledger_entry")
    op.drop_table("ledger_entry")
    op.execute("DROP FUNCTION refuse_change_of_ledger")
