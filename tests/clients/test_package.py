"""The wheel is the whole client: it needs two packages to be imported, and reads nothing of the clone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from loupe_local.state import REPOSITORY
from tests.release.test_version import VERSION

PROJECT = REPOSITORY / "clients" / "python"
UV = REPOSITORY / ".loupe" / "uv" / "bin" / "uv"
DATE = {"SOURCE_DATE_EPOCH": "1700000000"}
NEEDED = ("httpx2", "pydantic")
CHECK = """\
import sys
import loupe_client
from loupe_client import Loupe, webhooks
assert loupe_client.__version__ == sys.argv[1]
loaded = {name.partition(".")[0] for name in sys.modules}
print(*sorted(loaded & {"typer", "click", "rich", "mcp", "PIL"}))
Loupe("https://loupe.example.com", "1|x").close()
"""


def build(folder: Path) -> Path:
    """Build the wheel, and return its path."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(hatchling, cwd=PROJECT, env={**os.environ, **DATE}, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_is_built_reproducibly_and_is_typed(wheel: Path, tmp_path: Path) -> None:
    again = build(tmp_path)

    assert wheel.read_bytes() == again.read_bytes()
    names = zipfile.ZipFile(wheel).namelist()
    assert "loupe_client/py.typed" in names
    assert "loupe_client/_sync/client.py" in names
    assert not [name for name in names if name.startswith(("generator", "tests"))]


def test_in_an_empty_environment_the_import_needs_httpx2_and_pydantic_alone(
    wheel: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    locked = subprocess.run(
        [str(UV), "pip", "freeze", "--python", sys.executable], check=True, capture_output=True, text=True
    ).stdout
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(line for line in locked.splitlines() if "==" in line))
    install = [
        str(UV),
        "pip",
        "install",
        "--quiet",
        "--python",
        str(python),
        "--constraint",
        str(constraints),
    ]
    subprocess.run([*install, *NEEDED], check=True)
    subprocess.run([*install, "--no-deps", str(wheel)], check=True)

    checked = subprocess.run(
        [python, "-c", CHECK, VERSION], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    command = subprocess.run(
        [environment / "bin" / "loupe", "--version"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert checked.stdout == "\n"
    assert command.returncode == 1
    assert command.stderr == "loupe: the package typer is missing. `pip install loupe-client` brings it.\n"
