"""Applies the migrations of images to the database in IMAGES_DATABASE_URL. Concurrent runs take turns.

With `--sql` it prints the SQL instead of running it.
"""

import os

from alembic import context

from common import db
from images import upload_tables  # noqa: F401  it adds tables to `Base`
from images.tables import Base

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True)
    context.run_migrations()
else:
    with db.migrating(os.environ["IMAGES_DATABASE_URL"]) as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
        context.run_migrations()
