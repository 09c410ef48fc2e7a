"""Brings the database of one service up to its code (`upgrade`), or waits until somebody did (`wait`).

Runs in the image of the service, where its migrations lie. A database that is ahead of the code is fine: a
migration only adds, and a release that was rolled back has to start.
"""
# ruff: noqa: INP001, T201  a script, whose output is the log of a pod

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


def applied() -> set[str]:
    """The revisions of the database, once it answers; none before the first migration."""
    while True:
        try:
            with engine.connect() as connection:
                return set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
        except ProgrammingError:
            return set()
        except OperationalError as error:
            print(f"waiting for the database: {error.orig}", flush=True)
            time.sleep(PAUSE_SECONDS)


def is_enough(revisions: set[str]) -> bool:
    unknown = revisions - {script.revision for script in scripts.walk_revisions()}
    if unknown:
        print(f"the database is ahead: {', '.join(unknown)} came with a later release", flush=True)
    return bool(unknown) or revisions == set(scripts.get_heads())


def main() -> None:
    if sys.argv[1] == "upgrade":
        if not is_enough(applied()):
            subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], check=True)
        return
    while not is_enough(applied()):
        print("waiting for the migration", flush=True)
        time.sleep(PAUSE_SECONDS)


main()
