"""A copy of what `make` installs with, and make in an environment without what a developer has set."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from loupe_local.state import REPOSITORY

PORT_OPTION = "deploy/local/loupe_local/port_option.py"
COPIED = ("Makefile", "VERSION", "requirements", "deploy/install", PORT_OPTION)
PROJECTS = ("proto", "services/*", "deploy/local", "clients/python")
WORKING_UV = 'case "$1" in venv) mkdir -p .venv/bin; ln -sf /bin/true .venv/bin/python;; esac'
"""A program that does what uv does for make when nothing goes wrong, without packages."""


@dataclass
class Checkout:
    """A folder in which nothing is installed."""

    folder: Path

    def environment(self, **changes: str) -> dict[str, str]:
        path = f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
        return {"PATH": path, "HOME": str(self.folder), "PIP_CONFIG_FILE": os.devnull, **changes}

    def command(self, *targets: str) -> list[str]:
        return ["make", f"PYTHON={Path(sys.executable).resolve()}", *targets]

    def make(self, *targets: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*targets),
            cwd=self.folder,
            env=self.environment(**changes),
            check=False,
            capture_output=True,
            text=True,
        )

    def uv(self, script: str) -> None:
        """Install a program in place of uv."""
        program = self.folder / ".loupe/uv/bin/uv"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def customize_python(self, code: str) -> dict[str, str]:
        """Return the environment in which every Python runs this code at its start."""
        (self.folder / "custom").mkdir()
        (self.folder / "custom/sitecustomize.py").write_text(code)
        return {"PYTHONPATH": str(self.folder / "custom")}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    for name in COPIED:
        source, copy = REPOSITORY / name, tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    for pattern in PROJECTS:
        for file in REPOSITORY.glob(f"{pattern}/pyproject.toml"):
            copy = tmp_path / file.relative_to(REPOSITORY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    return Checkout(tmp_path)


def assert_refused(done: subprocess.CompletedProcess[str], sentence: str) -> None:
    """Check that make failed, and that a person reads this sentence and nothing technical."""
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert sentence in done.stderr, printed
    assert "Traceback" not in printed
    assert "***" not in printed
