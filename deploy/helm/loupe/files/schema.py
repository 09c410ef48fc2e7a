"""Migrate the database of one service (`upgrade`), or wait until another pod has migrated it (`wait`).

The script runs in the image of the service, which contains the migrations. A database that is newer than the
code is accepted: migrations only add, and an older release must start after a rollback.
"""
# ruff: noqa: INP001, T201  a script: what it prints is the log of a pod

import os
import subprocess
import sys
import time

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

PAUSE_SECONDS = 2
scripts = ScriptDirectory.from_config(Config(toml_file="pyproject.toml"))
engine = create_engine(
    os.environ[f"{os.environ['SERVICE'].upper()}_DATABASE_URL"],
    poolclass=NullPool,
    hide_parameters=True,
    connect_args={"connect_timeout": 5},
)


def applied_revisions() -> set[str]:
    """Wait for the database, and return its revisions. There are none before the first migration."""
    while True:
        try:
            with engine.connect() as connection:
                return set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
        except ProgrammingError:
            return set()
        except OperationalError as error:
            print(f"waiting for the database: {error.orig}", flush=True)
            time.sleep(PAUSE_SECONDS)


def is_new_enough(revisions: set[str]) -> bool:
    unknown = revisions - {script.revision for script in scripts.walk_revisions()}
    if unknown:
        print(f"the database is newer than this release: it has {', '.join(unknown)}", flush=True)
    return bool(unknown) or revisions == set(scripts.get_heads())


def main() -> None:
    if sys.argv[1] == "upgrade":
        if not is_new_enough(applied_revisions()):
            subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], check=True)
        return
    while not is_new_enough(applied_revisions()):
        print("waiting for the migration", flush=True)
        time.sleep(PAUSE_SECONDS)


main()
