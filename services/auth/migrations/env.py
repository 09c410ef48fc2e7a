"""Apply auth's migrations to the database in AUTH_DATABASE_URL. Two runs at once take turns.

With `--sql` alembic prints the statements instead of running them.
"""

import os

from alembic import context

from auth.tables import Base
from common import db


def is_described(name: str | None, kind: str, _: object) -> bool:
    """Return whether `tables.py` describes it. Auth makes the partitions of the audit itself."""
    return kind != "table" or not (name or "").startswith("audit_entry_")


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True)
    context.run_migrations()
else:
    with db.migrating(os.environ["AUTH_DATABASE_URL"]) as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            compare_server_default=True,
            include_name=is_described,
        )
        context.run_migrations()
