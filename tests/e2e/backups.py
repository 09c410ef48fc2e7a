"""Makes a backup as docs/backup.md says, and restores it into new, empty servers."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg

from loupe_local.log import to_file
from loupe_local.postgres_home import package
from loupe_local.process import output_of
from loupe_local.services import Services
from loupe_local.services import services as services_of
from loupe_local.state import write
from loupe_local.stores import Servers, Stores, stores

PROGRAMS = package() / "pginstall" / "bin"
QUICK = {
    "IMAGES_WORKER_SILENT_SECONDS": "2",
    "IMAGES_SWEEP_SECONDS": "1",
    "IMAGES_LOST_AFTER_SECONDS": "2",
    "INFERENCE_ACK_WAIT_SECONDS": "3",
    "INFERENCE_HEARTBEAT_SECONDS": "0.5",
    "GATEWAY_UNAUTHENTICATED_REQUESTS_PER_HOUR": "1000000",
}

MAKE_OLDER = {
    "billing": "UPDATE reservation SET expires_at = expires_at - make_interval(hours => %s) RETURNING 1",
    "images": "UPDATE image SET reserved_until = reserved_until - make_interval(hours => %s) RETURNING 1",
}


@dataclass(frozen=True, kw_only=True)
class Backup:
    dumps: Path
    objects: Mapping[str, bytes]
    auth_secret: str
    """The only secret that a restore needs."""


async def dump(running: Stores, service: str, folder: Path) -> None:
    url = running.postgres.admin_url(service)
    await _postgres("pg_dump", f"--dbname={url}", "--format=custom", f"--file={folder / service}")


async def restore(running: Stores, service: str, folder: Path) -> None:
    """Restore the dump of one service. Everything in it then belongs to the service's role."""
    options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    where = (f"--dbname={running.postgres.admin_url(service)}", f"--role={service}")
    await _postgres("pg_restore", *where, *options, str(folder / service))


async def read_objects(running: Stores) -> dict[str, bytes]:
    store, bucket = running.s3.client("images"), running.s3.bucket

    def copy() -> dict[str, bytes]:
        keys = [str(one.object_name) for one in store.list_objects(bucket, "images/", recursive=True)]
        return {key: store.get_object(bucket, key).read() for key in keys if not key.endswith("/")}

    return await asyncio.to_thread(copy)


@contextlib.asynccontextmanager
async def restored_services(
    folder: Path, backup: Backup, servers: Servers, *, hours_later: int
) -> AsyncGenerator[Services]:
    """Yield the services on new servers with the restored data. Only auth's secret is old. NATS is empty.

    All reservations are `hours_later` older, as a restore happens hours after the dump.
    """
    (folder / "state").mkdir(parents=True)
    write(folder / "state" / "secrets.json", {"service/auth": backup.auth_secret}, mode=0o600)
    sink = to_file(folder / "log")
    async with stores(folder / "state", sink=sink, durable=False, servers=servers) as running:
        for service in ("images", "billing", "auth"):
            await restore(running, service, backup.dumps)
        await _put_objects(running, backup.objects)
        await _let_time_pass(running, hours_later)
        services = services_of(running, QUICK)
        await services.start()
        yield services


async def read_rows(running: Stores, service: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    url = running.postgres.admin_url(service)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        return await (await connection.execute(statement.encode(), values)).fetchall()


async def until_row(running: Stores, service: str, wanted: object, statement: str, *values: object) -> None:
    """Poll until the first value of the statement's first row is `wanted`."""
    async with asyncio.timeout(60):
        while (await read_rows(running, service, statement, *values))[0][0] != wanted:
            await asyncio.sleep(0.05)


async def _put_objects(running: Stores, objects: Mapping[str, bytes]) -> None:
    store, bucket = running.s3.client("images"), running.s3.bucket
    for key, data in objects.items():
        await asyncio.to_thread(store.put_object, bucket, key, BytesIO(data), len(data))


async def _let_time_pass(running: Stores, hours: int) -> None:
    """Make reservations older, so that they have expired by the time of the restore."""
    for service, statement in MAKE_OLDER.items():
        await read_rows(running, service, statement, hours)


async def _postgres(program: str, *arguments: str) -> None:
    status, output = await output_of([str(PROGRAMS / program), *arguments])
    assert status == 0, output
