"""The folder of the warm test stack: its lock, which a living server holds, and its socket."""

import fcntl
import os
from pathlib import Path

from tests.warm.sources import ROOT

FOLDER = ROOT / ".loupe" / "test-stack"


class AlreadyRunning(Exception):
    """Another server keeps a test stack warm in this folder."""


def lock(folder: Path) -> int:
    """Lock the folder, and return the descriptor that holds the lock until this process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning(f"a test stack runs already in {folder}") from None
    return descriptor


def is_locked(folder: Path) -> bool:
    """Return whether a server lives."""
    if not (folder / "lock").exists():
        return False
    try:
        os.close(lock(folder))
    except AlreadyRunning:
        return True
    return False


def address(folder: Path) -> str:
    """Return the path of the socket. It is relative if that is shorter: the kernel allows 107 characters."""
    path = folder / "socket"
    return min(str(path), os.path.relpath(path), key=len)
