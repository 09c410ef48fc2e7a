"""Apply outbound's migrations to the database in OUTBOUND_DATABASE_URL. Two runs at once take turns.

With `--sql` alembic prints the statements instead of running them.
"""

import os

from alembic import context

from common import db
from outbound.tables import Base

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True)
    context.run_migrations()
else:
    with db.migrating(os.environ["OUTBOUND_DATABASE_URL"]) as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
        context.run_migrations()
