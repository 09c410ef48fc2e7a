"""Migrate the database of one service (`upgrade`), or wait until somebody else has migrated it (`wait`).

The script runs in the image of the service, which contains the migrations. A database that is newer than the
code is accepted: migrations only add, and an older release must start after a rollback. It gives up after
`WAIT_SECONDS`, with a sentence that says what is missing.
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
UNUSABLE = 75
"""The exit code that ends the Job: another attempt would not help either."""
SERVICE = os.environ["SERVICE"]
WAIT_SECONDS = float(os.environ["WAIT_SECONDS"])
GIVES_UP_AT = time.monotonic() + WAIT_SECONDS
scripts = ScriptDirectory.from_config(Config(toml_file="pyproject.toml"))
engine = create_engine(
    os.environ[f"{SERVICE.upper()}_DATABASE_URL"],
    poolclass=NullPool,
    hide_parameters=True,
    connect_args={"connect_timeout": 5},
)


def pause(problem: str, meaning: str) -> None:
    """Wait a little, or give up with a sentence."""
    if time.monotonic() > GIVES_UP_AT:
        print(f"gave up after {WAIT_SECONDS:.0f} s: {problem}. {meaning}", flush=True)
        sys.exit(UNUSABLE)
    print(f"waiting: {problem}", flush=True)
    time.sleep(PAUSE_SECONDS)


def applied_revisions() -> set[str]:
    """Wait for the database, and return its revisions. There are none before the first migration."""
    url = engine.url
    server = f"{url.host}:{url.port or 5432}"
    account = f"the role {url.username}, with {os.environ['LOGIN']}"
    while True:
        try:
            with engine.connect() as connection:
                return set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
        except ProgrammingError:
            return set()
        except OperationalError as error:
            reason = " ".join(str(error.orig).split())
            pause(
                f"{SERVICE} cannot use its database {url.database} at {server}: {reason}",
                f"It logs in as {account}. The server, the database, the role or this login is missing",
            )


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
    while not is_new_enough(found := applied_revisions()):
        wanted = ", ".join(scripts.get_heads())
        pause(
            f"the tables of {SERVICE} are at {', '.join(found) or 'no revision'}, and it needs {wanted}",
            "The values say that somebody else migrates (migrations.enabled=false): run the migrations",
        )


main()
