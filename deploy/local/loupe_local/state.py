"""The folder of one local Loupe: its lock, its secrets, its ports and its running processes.

Secrets are created once: the data on disk can only be opened with the secrets of the first start.
"""

import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import Any

import psutil

from loupe_local import ports

REPOSITORY = Path(__file__).parents[3]
FOLDER = REPOSITORY / ".loupe" / "local"
"""The folder that `make up` uses."""


class AlreadyRunning(Exception):
    """Another supervisor uses the folder. The message says where it listens."""


class State:
    """The folder and the files in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock: int | None = None
        self._secrets: dict[str, str] = read(self.folder / "secrets.json")
        self.moved_ports: dict[str, tuple[int, int]] = {}
        """The remembered and the new port of each server whose remembered port is taken."""

    def lock(self) -> None:
        """Lock the folder. Children do not inherit the lock: it ends with this process."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(descriptor, 20).decode() or "unknown"
            os.close(descriptor)
            raise AlreadyRunning(self._other(pid)) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._lock = descriptor

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _other(self, pid: str) -> str:
        api = read(self.folder / "local.json").get("api")
        if _is_demo(pid):
            return (
                f"a demo (process {pid}) has started Loupe in {self.folder}, and stops it at its end; "
                "wait for it, or press Ctrl-C there"
            )
        where = f"is running at {api}" if api else "is starting or stopping"
        return f"another Loupe {where}, in {self.folder} (process {pid}); use that one, or stop it first"

    def path(self, name: str, mode: int = 0o700) -> Path:
        """Return a folder inside this one. Create it if it is missing."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
        return folder

    def secret(self, name: str) -> str:
        """Return the secret of this name. Create it if there is none."""
        if name not in self._secrets:
            self._secrets[name] = secrets.token_hex(16)
            write(self.folder / "secrets.json", self._secrets, mode=0o600)
        return self._secrets[name]

    def ports(self, *names: str) -> dict[str, int]:
        """Return a free port for each name: the same one as last time, if it is still free."""
        remembered = self._remembered_ports()
        allocated = ports.allocate(names, remembered)
        write(self.folder / "ports.json", remembered | allocated)
        self.moved_ports |= {
            name: (remembered[name], port)
            for name, port in allocated.items()
            if remembered.get(name, port) != port
        }
        return allocated

    def choose_port(self, name: str, port: int) -> None:
        """Remember this port for this server and no other one. Raise `PortRefused` if it is taken."""
        ports.require_free(port)
        others = {other: old for other, old in self._remembered_ports().items() if old != port}
        write(self.folder / "ports.json", others | {name: port})

    def _remembered_ports(self) -> dict[str, int]:
        return read(self.folder / "ports.json")


def _is_demo(pid: str) -> bool:
    """Return whether the process is a `python -m loupe_local demo`."""
    try:
        return "demo" in psutil.Process(int(pid)).cmdline()
    except (ValueError, psutil.Error):
        return False


def read(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file, or an empty dictionary if there is no file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}


def write(path: Path, content: object, mode: int = 0o644, *, is_durable: bool = True) -> None:
    """Write a JSON file in one step: no reader ever finds half of it, even if the writer is killed.

    If it is durable, this is also true after a power failure, which otherwise may leave an empty file.
    """
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        json.dump(content, file, indent=2, sort_keys=True)
        if is_durable:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
