"""The PostgreSQL server, with one database and one role for each service.

No role can open the database of another. The server listens on the loopback, by TCP only, and
requires passwords.
"""

import contextlib
import secrets
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg
from psycopg import sql

from loupe_local.ports import HOST
from loupe_local.postgres_home import Home
from loupe_local.probes import Probe
from loupe_local.process import Process
from loupe_local.service_names import WITH_DATABASE
from loupe_local.state import State

ADMIN = "postgres"
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "",
    "log_checkpoints": "off",
}
VOLATILE = {"fsync": "off", "full_page_writes": "off"}
"""Settings for tests. Commits still reach the kernel: a killed server loses nothing, a power failure may."""
RECOVERY_SECONDS = 300.0
"""After a power failure it first repeats what its log says, and is not ready meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Postgres:
    port: int
    passwords: Mapping[str, str] = field(repr=False)

    def url(self, user: str, database: str, scheme: str = "postgresql+psycopg") -> str:
        return f"{scheme}://{user}:{self.passwords[user]}@{HOST}:{self.port}/{database}"

    def admin_url(self, database: str = ADMIN) -> str:
        """Return the superuser's URL, for plain psycopg."""
        return self.url(ADMIN, database, scheme="postgresql")


def postgres(state: State) -> Postgres:
    passwords = {user: state.secret(f"postgres/{user}") for user in (ADMIN, *WITH_DATABASE)}
    return Postgres(port=state.ports("postgres")["postgres"], passwords=passwords)


async def create_cluster(server: Postgres, home: Home, *, durable: bool) -> None:
    """Create the cluster unless it exists. One that an interrupted start left unfinished is replaced."""
    if home.data.exists():
        home.set_owner(home.data)
        remove_stale_pid(home.data)
        return
    # a random name that no other user can prepare, because root changes the owner of this path
    draft = home.folder / f"new-{secrets.token_hex(4)}"
    for old in home.folder.glob("new-*"):
        shutil.rmtree(old)
    draft.mkdir(mode=0o700)
    password = draft / "password"
    password.touch(mode=0o600)
    password.write_text(server.passwords[ADMIN])
    home.set_owner(draft)
    options = (
        "--auth-local=reject",
        "--auth-host=scram-sha-256",
        f"--username={ADMIN}",
        f"--pwfile={password}",
    )
    sync = () if durable else ("--no-sync",)
    status, output = await home.run("initdb", f"--pgdata={draft / 'data'}", *options, *LOCALE, *sync)
    if status != 0:
        raise OSError(f"initdb failed: {output}")
    (draft / "data").rename(home.data)
    shutil.rmtree(draft)


def process(server: Postgres, home: Home, *, durable: bool) -> Process:
    settings = SETTINGS | {"port": str(server.port)} | ({} if durable else VOLATILE)
    options = (argument for name, value in settings.items() for argument in ("-c", f"{name}={value}"))
    return Process(
        name="postgres",
        argv=(str(home.programs / "postgres"), "-D", str(home.data), *options),
        env={"TZ": "UTC"},
        cwd=home.folder,
        clean_up=lambda: remove_stale_pid(home.data),
        identity=home.identity,
        ready=accepts_queries(server),
        ready_seconds=RECOVERY_SECONDS,
        stop_signal=signal.SIGINT,  # PostgreSQL then disconnects its clients instead of waiting for them
    )


def remove_stale_pid(data: Path) -> None:
    """Remove the pid file of a killed server.

    If another program has that process id by now, PostgreSQL would not start. The file stays if the process
    with that id has this folder as its working directory, because that is the server.
    """
    path = data / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, ValueError):
        pid = int(path.read_text().split()[0])
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if Path(psutil.Process(pid).cwd()) == data.resolve():
                return
        path.unlink()


async def create_databases(server: Postgres) -> None:
    """Create the roles and databases that are missing."""
    async with await psycopg.AsyncConnection[tuple[str]].connect(
        server.admin_url(), autocommit=True
    ) as admin:
        roles = await _names(admin, "SELECT rolname FROM pg_roles")
        databases = await _names(admin, "SELECT datname FROM pg_database")
        for name in (ADMIN, "template1", *WITH_DATABASE):
            role, password = sql.Identifier(name), sql.Literal(server.passwords.get(name, ""))
            if name in WITH_DATABASE and name not in roles:
                await admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
            if name in WITH_DATABASE and name not in databases:
                await admin.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(role))
            await admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))


async def _names(admin: psycopg.AsyncConnection[tuple[str]], query: LiteralString) -> set[str]:
    return {name for (name,) in await (await admin.execute(query)).fetchall()}


def accepts_queries(server: Postgres) -> Probe:
    async def probe() -> bool:
        try:
            async with await psycopg.AsyncConnection.connect(
                server.admin_url(), connect_timeout=5
            ) as connection:
                await connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    return probe
