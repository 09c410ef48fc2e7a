"""The packages are the whole client: they read nothing of the clone, and work on each interpreter."""

import asyncio
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from loupe_local.stack import Stack
from loupe_local.state import REPOSITORY
from tests.clients.conftest import SIZE, size_of
from tests.gateway.harness import Person
from tests.release.test_version import VERSION

PROJECT = REPOSITORY / "clients" / "python"
UV = REPOSITORY / ".loupe" / "uv" / "bin" / "uv"
DATE = {"SOURCE_DATE_EPOCH": "1700000000"}
NEEDED = ("httpx2", "pydantic")
VERSIONS = [(3, minor) for minor in range(10, 15)]
"""The versions that pyproject.toml names. Lint checks the oldest and the newest statically."""


def interpreters() -> list[Path]:
    """Return an interpreter of each other version that this machine has, or else the own."""
    found = list[Path]()
    for major, minor in VERSIONS:
        installed = Path.home().glob(f".pyenv/versions/{major}.{minor}.*/bin/python{major}.{minor}")
        on_path = shutil.which(f"python{major}.{minor}")
        if sys.version_info[:2] != (major, minor) and (path := next(installed, None) or on_path):
            found.append(Path(path))
    return found or [Path(sys.executable)]


PROGRAM = """\
import asyncio
from loupe_client import AsyncLoupe, Loupe, errors, webhooks

async def main():
    async with AsyncLoupe() as loupe:
        await (await loupe.upscale("photo.jpg")).save("async.jpg")

with Loupe() as loupe:
    loupe.upscale("photo.jpg").save("sync.jpg")
    try:
        loupe.upscale(b"This is no picture.")
    except errors.ValidationFailed as refusal:
        words = [word for text in refusal.errors["image"] for word in text.split() if word == "must"]
asyncio.run(main())
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
print(webhooks.sign(b"{}", "msg_1", 1, secret).startswith("v1,"), words)
"""
CHECK = """\
import sys
import loupe_client
from loupe_client import Loupe, webhooks
assert loupe_client.__version__ == sys.argv[1]
loaded = {name.partition(".")[0] for name in sys.modules}
print(*sorted(loaded & {"typer", "click", "rich", "mcp", "PIL"}))
Loupe("https://loupe.example.com", "1|x").close()
"""


def build(folder: Path) -> tuple[Path, Path]:
    """Build the wheel and the archive of sources, as a release does, and return their paths."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)]
    subprocess.run(hatchling, cwd=PROJECT, env={**os.environ, **DATE}, check=True, capture_output=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, Path]) -> Path:
    return built[0]


@pytest.fixture(scope="module")
def sources(built: tuple[Path, Path]) -> Path:
    return built[1]


def test_wheel_and_archive_of_sources_are_built_reproducibly_and_typed(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    again = build(tmp_path)

    assert [path.read_bytes() for path in built] == [path.read_bytes() for path in again]
    names = zipfile.ZipFile(built[0]).namelist()
    assert "loupe_client/py.typed" in names
    assert "loupe_client/_sync/client.py" in names
    assert not [name for name in names if name.startswith(("generator", "tests"))]


@pytest.fixture(scope="module")
def constraints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the versions that the lock file names. It is for Python 3.11 and newer."""
    freeze = [str(UV), "pip", "freeze", "--python", sys.executable]
    locked = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
    path = tmp_path_factory.mktemp("locked") / "constraints.txt"
    lines = (line for line in locked.splitlines() if "==" in line)
    path.write_text("".join(f'{line} ; python_version >= "3.11"\n' for line in lines))
    return path


def new_environment(interpreter: str | Path, folder: Path) -> Path:
    """Make an empty environment, and return its Python."""
    uv("venv", "--python", interpreter, folder / "env")
    return folder / "env" / "bin" / "python"


def install(python: Path, constraints: Path, *arguments: str | Path) -> None:
    uv("pip", "install", "--python", python, "--constraint", constraints, *arguments)


def uv(*arguments: str | Path) -> None:
    done = subprocess.run([UV, *arguments, "--quiet"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"packages need a network once: {done.stderr}"


def run(*command: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "no_proxy": "*", **variables}
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=folder, env=environment, timeout=90
    )


def test_in_an_empty_environment_the_import_needs_httpx2_and_pydantic_alone(
    wheel: Path, constraints: Path, tmp_path: Path
) -> None:
    python = new_environment(sys.executable, tmp_path)
    install(python, constraints, *NEEDED)
    install(python, constraints, "--no-deps", wheel)

    checked = run(python, "-c", CHECK, VERSION, folder=tmp_path)
    command = run(python.with_name("loupe"), "--version", folder=tmp_path)

    assert (checked.returncode, checked.stdout) == (0, "\n"), checked.stderr
    assert command.returncode == 1
    assert command.stderr == "loupe: the package typer is missing. `pip install loupe-client` brings it.\n"


@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda path: path.name)
async def test_the_archive_of_sources_works_on_each_interpreter_of_this_machine(
    interpreter: Path,
    sources: Path,
    constraints: Path,
    stack: Stack,
    person: Person,
    photo_file: Path,
    tmp_path: Path,
) -> None:
    python = new_environment(interpreter, tmp_path)
    install(python, constraints, sources)
    account = {"LOUPE_URL": stack.api, "LOUPE_TOKEN": person.token}

    by_sdk = await asyncio.to_thread(run, python, "-Werror", "-c", PROGRAM, folder=tmp_path, **account)
    by_command = await asyncio.to_thread(
        run, python.with_name("loupe"), "upscale", photo_file.name, folder=tmp_path, **account
    )

    assert (by_sdk.returncode, by_sdk.stdout) == (0, "True ['must']\n"), by_sdk.stderr
    assert by_command.returncode == 0, by_command.stderr
    for name in ("sync.jpg", "async.jpg", "photo@2x.jpg"):
        assert size_of(tmp_path / name) == (SIZE[0] * 2, SIZE[1] * 2)
