"""Everything that shows a version shows the version in the file VERSION."""

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from loupe_local.state import REPOSITORY
from tests.contract.operations import DOCUMENT

VERSION = (REPOSITORY / "VERSION").read_text().strip()
MEMBERS = [
    tomllib.loads(file.read_text())["project"]["name"]
    for pattern in ("proto", "services/*", "deploy/local", "clients/python")
    for file in sorted(REPOSITORY.glob(f"{pattern}/pyproject.toml"))
]


@pytest.mark.parametrize("member", MEMBERS)
def test_an_installed_package_has_the_version(member: str) -> None:
    assert metadata.version(member) == VERSION


def test_openapi_has_the_version() -> None:
    assert DOCUMENT["info"]["version"] == VERSION


def test_loupe_admin_prints_the_version() -> None:
    command = [Path(sys.executable).with_name("loupe-admin"), "--version"]

    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert printed == f"{VERSION}\n"


def test_nothing_repeats_another_version() -> None:
    command = [sys.executable, REPOSITORY / "deploy/release/version.py"]

    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
