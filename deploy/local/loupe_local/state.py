"""The folder of one Loupe on this machine: its lock, its secrets, its ports and what is running now.

Secrets are made once and kept, so that the data of yesterday opens today.
"""

import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import Any

from loupe_local import ports

REPOSITORY = Path(__file__).parents[3]
FOLDER = REPOSITORY / ".loupe" / "local"
"""Where `make up` keeps everything."""


class AlreadyRunning(Exception):
    """Another supervisor holds the folder."""


class State:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock: int | None = None
        self._secrets: dict[str, str] = read(self.folder / "secrets.json")

    def lock(self) -> None:
        """Children never inherit the lock, so it goes with us."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(descriptor, 20).decode() or "unknown"
            os.close(descriptor)
            raise AlreadyRunning(f"Loupe is already running on {self.folder} (process {pid})") from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._lock = descriptor

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def path(self, name: str, mode: int = 0o700) -> Path:
        """A folder in here, made when it is missing."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
        return folder

    def secret(self, name: str) -> str:
        if name not in self._secrets:
            self._secrets[name] = secrets.token_hex(16)
            write(self.folder / "secrets.json", self._secrets, mode=0o600)
        return self._secrets[name]

    def ports(self, *names: str) -> dict[str, int]:
        """Free ports for these names: those of the last time where they are still free."""
        remembered: dict[str, int] = read(self.folder / "ports.json")
        allocated = ports.allocate(names, remembered)
        write(self.folder / "ports.json", remembered | allocated)
        return allocated


def read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}


def write(path: Path, content: object, mode: int = 0o644) -> None:
    """All of it or nothing: readers and killed writers never leave half a file."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        json.dump(content, file, indent=2, sort_keys=True)
    draft.replace(path)
