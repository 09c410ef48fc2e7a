"""If we are root, PostgreSQL runs as another user, in a user namespace, or from copies."""

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

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder that every user can enter. Only their owner can enter the folders of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def close(folder: Path) -> None:
    folder.chmod(0o700)


async def serve(supervisor: Supervisor, home: Home) -> str:
    """Start a server, create a table in it, and return the owner of its data."""
    server = postgres.postgres(supervisor.state)
    await postgres.create_cluster(server, home, durable=False)
    await supervisor.start(postgres.process(server, home, durable=False))
    await postgres.create_databases(server)
    async with await psycopg.AsyncConnection.connect(
        server.url("images", "images", scheme="postgresql")
    ) as connection:
        await connection.execute("CREATE TABLE one (id int)")
    return home.data.owner()


async def test_the_user_nobody_runs_the_server_in_an_open_folder(open_folder: Path) -> None:
    async with Supervisor(open_folder, lambda name, line: None) as supervisor:
        home = await postgres_home.find(supervisor.state, supervisor.sink)

        assert home.data == open_folder / "postgres" / "data"
        assert await serve(supervisor, home) == "nobody"


async def test_a_closed_folder_is_served_in_a_user_namespace(tmp_path: Path) -> None:
    async with Supervisor(tmp_path, lambda name, line: None) as supervisor:
        home = await postgres_home.find(supervisor.state, supervisor.sink)
        if home.identity != MAPPED:
            pytest.skip("this kernel does not let us create a user namespace")

        assert home.data == tmp_path / "postgres" / "data"
        assert await serve(supervisor, home) == "root"


async def test_without_user_namespaces_the_server_runs_from_copies(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder))
    async with Supervisor(tmp_path, lambda name, line: None) as supervisor:
        folder = supervisor.state.path("postgres")

        home = postgres_home.copied_home(folder)

        assert await serve(supervisor, home) == "nobody"
        assert home.folder.parent == open_folder
        assert postgres_home.copied_home(folder) == home
        assert (await postgres_home.find(supervisor.state, supervisor.sink)) == home


async def test_the_data_gets_another_owner_when_another_user_runs_the_server(open_folder: Path) -> None:
    async with Supervisor(open_folder, lambda name, line: None) as supervisor:
        await serve(supervisor, await postgres_home.find(supervisor.state, supervisor.sink))
    close(open_folder)

    async with Supervisor(open_folder, lambda name, line: None) as supervisor:
        home = await postgres_home.find(supervisor.state, supervisor.sink)
        if home.identity != MAPPED:
            pytest.skip("this kernel does not let us create a user namespace")
        server = postgres.postgres(supervisor.state)
        await postgres.create_cluster(server, home, durable=False)
        await supervisor.start(postgres.process(server, home, durable=False))

        assert home.data.owner() == "root"
