"""PostgreSQL as root: by another user, in a user namespace, or from copies."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from loupe_local import postgres, postgres_home
from loupe_local.postgres_home import MAPPED, Home
from loupe_local.supervisor import Supervisor

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that every user can enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def close(folder: Path) -> None:
    folder.chmod(0o700)


async def serve(supervisor: Supervisor, home: Home) -> str:
    """Who owns the data, by the server's own answer to a query over TCP."""
    server = postgres.postgres(supervisor.state)
    await postgres.create_cluster(server, home, durable=False)
    await supervisor.start(postgres.process(server, home, durable=False))
    await postgres.create_databases(server)
    async with await psycopg.AsyncConnection.connect(
        server.url("images", "images", scheme="postgresql")
    ) as connection:
        await connection.execute("CREATE TABLE one (id int)")
    return home.data.owner()


async def test_nobody_runs_it_where_nobody_can_reach_it(open_folder: Path) -> None:
    async with Supervisor(open_folder, lambda name, line: None) as supervisor:
        home = await postgres_home.find(supervisor.state, supervisor.sink)

        assert home.data == open_folder / "postgres" / "data"
        assert await serve(supervisor, home) == "nobody"


async def test_a_closed_folder_is_served_from_within(tmp_path: Path) -> None:
    async with Supervisor(tmp_path, lambda name, line: None) as supervisor:
        home = await postgres_home.find(supervisor.state, supervisor.sink)
        if home.identity != MAPPED:
            pytest.skip("this kernel has no user namespaces for us")

        assert home.data == tmp_path / "postgres" / "data"
        assert await serve(supervisor, home) == "root"


async def test_without_user_namespaces_it_is_served_from_copies(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder))
    async with Supervisor(tmp_path, lambda name, line: None) as supervisor:
        folder = supervisor.state.path("postgres")

        home = postgres_home.copied(folder)

        assert await serve(supervisor, home) == "nobody"
        assert home.folder.parent == open_folder
        assert postgres_home.copied(folder) == home
        assert (await postgres_home.find(supervisor.state, supervisor.sink)) == home


async def test_data_follows_whoever_can_serve_it_now(open_folder: Path) -> None:
    async with Supervisor(open_folder, lambda name, line: None) as supervisor:
        await serve(supervisor, await postgres_home.find(supervisor.state, supervisor.sink))
    close(open_folder)

    async with Supervisor(open_folder, lambda name, line: None) as supervisor:
        home = await postgres_home.find(supervisor.state, supervisor.sink)
        if home.identity != MAPPED:
            pytest.skip("this kernel has no user namespaces for us")
        server = postgres.postgres(supervisor.state)
        await postgres.create_cluster(server, home, durable=False)
        await supervisor.start(postgres.process(server, home, durable=False))

        assert home.data.owner() == "root"
