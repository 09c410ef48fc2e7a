"""The pid file that a killed PostgreSQL leaves behind."""

import os
from pathlib import Path

import psycopg
import pytest

from loupe_local.postgres import remove_stale_pid
from loupe_local.stores import Stores
from tests.local.traces import plain


async def test_a_pid_file_with_the_id_of_another_server_is_removed(tmp_path: Path, stores: Stores) -> None:
    async with await psycopg.AsyncConnection.connect(plain(stores.database_url("auth"))) as connection:
        row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        (tmp_path / "postmaster.pid").write_text(f"{(row or (0,))[0]}\n{tmp_path}\n")

        remove_stale_pid(tmp_path)

    assert not (tmp_path / "postmaster.pid").exists()


def test_the_pid_file_of_a_running_server_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n")

    remove_stale_pid(tmp_path)

    assert (tmp_path / "postmaster.pid").exists()
