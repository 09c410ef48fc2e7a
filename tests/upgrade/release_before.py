"""Builds the release before into a folder and a virtual environment of its own. `BASE` names its commit."""

import fcntl
import io
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from loupe_local.state import REPOSITORY

COMMIT = Path(__file__).with_name("BASE").read_text().strip()
FOLDER = REPOSITORY / ".loupe" / "upgrade"
UV = REPOSITORY / ".loupe" / "uv" / "bin" / "uv"


class NoCommit(Exception):
    """This clone lacks the commit. The message says how to get it."""


@dataclass(frozen=True)
class ReleaseBefore:
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / ".venv" / "bin" / "python"

    def has(self, name: str) -> bool:
        """Return whether this release has the service."""
        return (self.folder / "services" / name).is_dir()


def build() -> ReleaseBefore:
    """Return the release before. It is built once, and again after `BASE` has changed."""
    if _git("cat-file", "-e", f"{COMMIT}^{{commit}}").returncode:
        raise NoCommit(
            f"This clone lacks the commit {COMMIT} of the release before, which tests/upgrade/BASE names. "
            f"Run `git fetch --depth 1 origin {COMMIT}`, or clone without --depth."
        )
    release = ReleaseBefore(FOLDER / COMMIT)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs of the tests must not build it at the same time
        if not (release.folder / "ready").exists():
            _install(release)
    return release


def _install(release: ReleaseBefore) -> None:
    for old in FOLDER.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    archive = _git("archive", COMMIT)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.3 has none
        files.extractall(release.folder)  # noqa: S202  of our own repository
    members = [file.parent for file in release.folder.glob("services/*/pyproject.toml")]
    members += [release.folder / "proto", release.folder / "deploy" / "local"]
    editable = [option for member in members for option in ("-e", str(member))]
    _run(str(UV), "venv", "--python", sys.executable, str(release.python.parents[1]))
    install = (str(UV), "pip", "install", "--python", str(release.python), "--no-deps")
    _run(*install, "--require-hashes", "-r", str(release.folder / "requirements" / "run.txt"))
    _run(*install, "--no-build-isolation", *editable)
    (release.folder / "ready").touch()


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(REPOSITORY), *arguments], check=False, capture_output=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"the release before could not be installed: {done.stdout}{done.stderr}")
