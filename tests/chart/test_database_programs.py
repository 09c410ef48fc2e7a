"""The programs that create roles and migrate databases, on a real PostgreSQL."""

import asyncio
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from loupe_local.ports import HOST
from loupe_local.service_names import WITH_DATABASE
from loupe_local.services import REPOSITORY
from loupe_local.stores import Stores
from tests.chart.environment import environment
from tests.chart.helm import DEFAULT, release
from tests.chart.objects import Release
from tests.chart.programs import argv_of, container_of, ended, eventually, run, running

Databases = dict[str, dict[str, str]]


@pytest.fixture
def databases() -> Databases:
    """Return names that no other test uses."""
    name = f"chart_{uuid.uuid4().hex[:8]}"
    return {one: {"name": f"{name}_{one}", "user": f"{name}_{one}"} for one in WITH_DATABASE}


@pytest.fixture
def chart(databases: Databases) -> Release:
    return release(DEFAULT, postgresql={"databases": databases})


def schema(
    chart: Release, stores: Stores, service: str, mode: str, **env: str
) -> tuple[list[str], dict[str, str], Path]:
    container = container_of(chart, service, "schema")
    filled = environment(chart, container) | env
    url = f"{service.upper()}_DATABASE_URL"
    filled[url] = re.sub(r"@[^/]+/", f"@{HOST}:{stores.postgres.port}/", filled[url])
    return [*argv_of(container)[:-1], mode], filled, REPOSITORY / "services" / service


async def migrated(chart: Release, stores: Stores, service: str, mode: str) -> str:
    return await run(*schema(chart, stores, service, mode))


async def with_roles(chart: Release, stores: Stores, scratch: Path) -> str:
    """Run the container until the roles exist, and return what it printed."""
    container = container_of(chart, "postgresql", "roles")
    password = stores.postgres.passwords["postgres"]
    server = {"PGHOST": HOST, "PGPORT": str(stores.postgres.port), "PGPASSWORD": password}
    own = {"SCRATCH": str(scratch), "POSTGRES_PASSWORD": password}
    (scratch / "roles-exist").unlink(missing_ok=True)

    async def exist() -> None:
        assert (scratch / "roles-exist").exists(), (scratch / "log").read_text()

    async with running(argv_of(container), environment(chart, container) | server | own, scratch / "log"):
        await eventually(exist, AssertionError)
    return (scratch / "log").read_text()


async def query(stores: Stores, database: dict[str, str], role: str, statement: str) -> str:
    """Return what a statement answers if the superuser acts as the role."""
    url = stores.postgres.admin_url(database["name"])
    return await run(
        ["psql", "-qtA", "-v", "ON_ERROR_STOP=1", "-c", f'SET ROLE "{role}"', "-c", statement, url], {}
    )


async def test_roles_are_created_once_and_migrations_run_after_that(
    chart: Release, stores: Stores, tmp_path: Path
) -> None:
    first, second = [await with_roles(chart, stores, tmp_path) for _ in range(2)]

    for service in WITH_DATABASE:
        waiting = asyncio.create_task(migrated(chart, stores, service, "wait"))
        await migrated(chart, stores, service, "upgrade")
        await waiting
    again = await migrated(chart, stores, "auth", "upgrade")

    assert first == second
    assert again == ""


async def test_replicas_that_migrate_at_the_same_time_take_turns(
    chart: Release, stores: Stores, tmp_path: Path
) -> None:
    await with_roles(chart, stores, tmp_path)

    await asyncio.gather(*(migrated(chart, stores, "billing", "upgrade") for _ in range(3)))
    again = await migrated(chart, stores, "billing", "wait")

    assert again == ""


async def test_older_code_starts_with_a_newer_database(
    chart: Release, stores: Stores, tmp_path: Path
) -> None:
    await with_roles(chart, stores, tmp_path)
    await migrated(chart, stores, "auth", "upgrade")
    name = chart.values["postgresql"]["databases"]["auth"]["name"]
    later = "UPDATE alembic_version SET version_num = 'later'"
    await run(["psql", "--quiet", "--command", later, stores.postgres.admin_url(name)], {})

    outputs = [await migrated(chart, stores, "auth", mode) for mode in ("upgrade", "wait")]

    assert outputs == ["the database is newer than this release: it has later\n"] * 2


async def test_another_user_of_a_database_gets_everything_in_it_and_the_former_one_may_go_on(
    chart: Release, databases: Databases, stores: Stores, tmp_path: Path
) -> None:
    await with_roles(chart, stores, tmp_path)
    await migrated(chart, stores, "images", "upgrade")
    database = databases["images"]
    former, new = database["user"], f"{database['user']}_new"
    renamed: dict[str, Any] = databases | {"images": database | {"user": new}}

    seen: list[list[str]] = []
    for values in (renamed, databases, renamed):
        await with_roles(release(DEFAULT, postgresql={"databases": values}), stores, tmp_path)
        owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
        count = "SELECT count(*) FROM image"
        seen.append(
            [await query(stores, database, *one) for one in ((former, owners), (former, count), (new, count))]
        )

    assert seen == [[f"{owner}\n", "0\n", "0\n"] for owner in (new, former, new)]


@pytest.mark.parametrize("mode", ["upgrade", "wait"])
async def test_a_database_that_cannot_be_used_ends_the_wait_with_a_sentence(
    chart: Release, stores: Stores, tmp_path: Path, mode: str
) -> None:
    await with_roles(chart, stores, tmp_path)
    argv, env, folder = schema(chart, stores, "auth", mode, WAIT_SECONDS="0")
    env["AUTH_DATABASE_URL"] = re.sub(r":[^:@/]+@", ":wrong@", env["AUTH_DATABASE_URL"])

    status, output = await ended(argv, env, folder)

    user = chart.values["postgresql"]["databases"]["auth"]["user"]
    assert status == 75
    assert "gave up after 0 s: auth cannot use its database" in output
    assert "password authentication failed" in output
    assert (
        f"logs in as the role {user}, with the password in the key auth of the Secret loupe-postgresql"
        in output
    )


async def test_tables_that_nobody_migrates_end_the_wait_with_a_sentence(
    chart: Release, stores: Stores, tmp_path: Path
) -> None:
    await with_roles(chart, stores, tmp_path)

    status, output = await ended(*schema(chart, stores, "billing", "wait", WAIT_SECONDS="0"))

    assert status == 75
    assert "the tables of billing are at no revision" in output
    assert "run the migrations" in output


async def test_a_server_that_never_answers_ends_the_wait_for_it_with_a_sentence(
    chart: Release, stores: Stores, tmp_path: Path
) -> None:
    container = container_of(chart, "postgresql", "roles")
    env = environment(chart, container) | {"PGPORT": "1", "SCRATCH": str(tmp_path), "WAIT_SECONDS": "0"}

    status, output = await ended(argv_of(container), env)

    assert status == 1
    assert "the log of the container postgresql says why" in output
