"""The console's types agree with the API, its unit tests pass, and its first page is small."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.routes import admin
from loupe_local.services import CONSOLE
from loupe_local.state import REPOSITORY
from tests.console.installed import CHECKS, environment
from tests.contract.operations import APPLICATION, DOCUMENT

LARGEST_SCRIPTS = 200 << 10


@pytest.fixture(scope="module")
def sources(checks: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the sources beside the installed packages, and generate the types of the API there."""
    folder = tmp_path_factory.mktemp("console")
    shutil.copytree(
        REPOSITORY / "console",
        folder,
        ignore=shutil.ignore_patterns("node_modules", "dist"),
        dirs_exist_ok=True,
    )
    (folder / "node_modules").symlink_to(CHECKS / "node_modules")
    (folder / "openapi.json").write_text(json.dumps(DOCUMENT))
    run(folder, "npx", "openapi-typescript", "openapi.json", "--output", "src/api/schema.d.ts")
    (folder / "operators.json").write_text(json.dumps(admin.document(APPLICATION)))
    run(folder, "npx", "openapi-typescript", "operators.json", "--output", "src/operators/schema.d.ts")
    return folder


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_types_agree_with_the_description_of_the_api(sources: Path) -> None:
    run(sources, "npx", "tsc", "--noEmit")


def test_the_unit_tests_pass(sources: Path) -> None:
    assert "passed" in run(sources, "npx", "vitest", "run")


def test_all_scripts_together_are_small(checks: None) -> None:
    scripts = [*CONSOLE.glob("files/*.js")]

    assert scripts
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) <= LARGEST_SCRIPTS


def test_the_lock_file_names_no_registry() -> None:
    lock = (REPOSITORY / "console/package-lock.json").read_text()

    assert '"resolved"' not in lock
    assert "registry" not in lock
