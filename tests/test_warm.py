"""A warm test stack is used only if it runs the code and the settings of this moment."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loupe_local.service_names import NAMES
from tests.warm import sources
from tests.warm.client import borrowed, is_wanted
from tests.warm.folder import AlreadyRunning, address, is_locked, lock
from tests.warm.server import StartAgain, restarts

HELLO = {"variables": sources.variables(), "python": sys.executable}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in (
        "services/billing/billing/plans.toml",
        "services/common/common/db.py",
        ".loupe/models/a.onnx",
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("first")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "services"),
    [
        ("services/billing/billing/domain/quotas.py", {"billing"}),
        ("services/billing/billing/plans.toml", {"billing"}),
        ("services/gateway/gateway/reset_password.html", {"gateway"}),
        ("services/common/common/db.py", {*NAMES}),
        ("services/imagefile/imagefile/formats.py", {*NAMES}),
        ("proto/loupe/images/v1/images_pb2.py", {*NAMES}),
    ],
)
def test_a_changed_file_restarts_the_services_that_use_it(file: str, services: set[str]) -> None:
    assert restarts([file], []) == dict.fromkeys(services, f"{file} has changed")


@pytest.mark.parametrize(
    "file",
    [
        "services/billing/migrations/versions/0009_more.py",
        "deploy/local/loupe_local/services.py",
        "deploy/local/triton",
        "requirements/run.txt",
        "tests/overrides.py",
        "tests/warm/server.py",
        ".loupe/models/auto/config.pbtxt",
        ".venv/run",
        "services/new/new/__main__.py",
    ],
)
def test_a_file_that_a_running_database_or_every_process_depends_on_starts_all_again(file: str) -> None:
    with pytest.raises(StartAgain, match=f"^{file} has changed$"):
        restarts(["services/billing/billing/rpc.py", file], [])


def test_a_service_that_a_test_has_stopped_is_restarted() -> None:
    assert restarts([], ["inference"]) == {"inference": "an earlier test stopped it"}


def test_added_changed_and_removed_files_are_noticed(repository: Path) -> None:
    before = sources.snapshot(repository)
    (repository / "services/billing/billing/plans.toml").write_text("other")
    (repository / "services/common/common/db.py").unlink()
    (repository / "services/common/common/new.py").write_text("")
    (repository / ".loupe/models/a.onnx").write_text("built again")

    changed = sources.changed_files(before, sources.snapshot(repository))

    assert changed == [
        ".loupe/models/a.onnx",
        "services/billing/billing/plans.toml",
        "services/common/common/db.py",
        "services/common/common/new.py",
    ]


@pytest.mark.parametrize(
    "file", ["docs/api.md", "tests/contract/test_images.py", "services/common/common/__pycache__/db.pyc"]
)
def test_other_files_change_nothing(repository: Path, file: str) -> None:
    before = sources.snapshot(repository)
    (repository / file).parent.mkdir(parents=True)
    (repository / file).write_text("new")

    assert sources.changed_files(before, sources.snapshot(repository)) == []


def test_every_folder_of_sources_exists() -> None:
    assert [name for name in sources.WATCHED if not (sources.ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "environment",
    [
        {"CI": "true"},
        {"PYTEST_XDIST_WORKER": "gw1"},
        {"LOUPE_TEST_STACK": "cold"},
        {"LOUPE_TEST_STACK": "containers"},
    ],
)
def test_ci_parallel_processes_and_those_that_ask_for_it_start_their_own(environment: dict[str, str]) -> None:
    assert is_wanted({})
    assert not is_wanted(environment)


def test_one_server_runs_in_a_folder(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    lock(tmp_path)

    assert is_locked(tmp_path)
    with pytest.raises(AlreadyRunning, match="a test stack runs already"):
        lock(tmp_path)


async def said_about(folder: Path) -> list[str]:
    """Return the sentences that a run prints that cannot use the warm stack."""
    said: list[str] = []
    async with borrowed(said.append, folder) as stack:
        assert stack is None
    return said


async def test_without_a_warm_stack_nothing_is_said(tmp_path: Path) -> None:
    assert await said_about(tmp_path) == []


async def test_a_stack_that_was_killed_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    Path(address(tmp_path)).touch()

    assert await said_about(tmp_path) == ["The warm test stack was killed; this run starts its own."]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "does not answer"),
        ([HELLO], "does not answer"),
        ([HELLO, {"busy": True}], "is used by another run"),
        ([HELLO | {"python": "python2"}], "was started with other environment variables or another Python"),
        (
            [HELLO | {"variables": {"IMAGES_X": "1"}}],
            "was started with other environment variables or another Python",
        ),
    ],
)
async def test_a_stack_that_this_run_cannot_use_is_left_alone(
    tmp_path: Path, messages: list[Mapping[str, Any]], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for message in messages:
            writer.write(json.dumps(message).encode() + b"\n")
        await reader.read()
        writer.close()

    monkeypatch.setattr("tests.warm.connection.ANSWER_SECONDS", 0.2)
    monkeypatch.setattr("tests.warm.client.LEND_SECONDS", 0.2)
    lock(tmp_path)
    async with await asyncio.start_unix_server(answer, address(tmp_path)):
        said = await said_about(tmp_path)

    assert said == [f"The warm test stack {reason}; this run starts its own."]


async def test_code_that_does_not_start_fails_the_run(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for message in (HELLO, {"error": "billing: exited with status 1, 3 times"}):
            writer.write(json.dumps(message).encode() + b"\n")
        await reader.read()
        writer.close()

    lock(tmp_path)
    async with await asyncio.start_unix_server(answer, address(tmp_path)):
        with pytest.raises(
            RuntimeError, match="cannot run this code: billing: exited with status 1, 3 times"
        ):
            await said_about(tmp_path)


async def test_a_stack_whose_start_fails_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.warm.client.START_SECONDS", 0.2)
    lock(tmp_path)

    first, second = await said_about(tmp_path)

    assert first == "The warm test stack starts (it is not ready yet); this run waits for it."
    assert (
        second
        == f"The warm test stack did not start, and {tmp_path}/stack.log says why; this run starts its own."
    )
