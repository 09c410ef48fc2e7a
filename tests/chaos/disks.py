"""Small disks for the stores, so that one of them can be full. Each is a tmpfs, which only root can mount.

Without root the stores use the ordinary disk, and the faults that fill a disk are left out.
"""

import contextlib
import os
import subprocess
from collections.abc import Generator, Mapping
from pathlib import Path

MEBIBYTES = {"postgres": 512, "nats": 128, "objects": 512}
FOLDERS = {"postgres": "postgres", "nats": "nats", "objects": "objects/data"}
"""The folder of each store's data, below the folder of the installation."""
BALLAST = "ballast"


@contextlib.contextmanager
def small_disks(folder: Path) -> Generator[Mapping[str, Path]]:
    """Mount a disk for each store, and yield their paths: none if we may not mount."""
    mounted = dict[str, Path]()
    try:
        for name, below in FOLDERS.items():
            path = folder / below
            path.mkdir(parents=True, exist_ok=True)
            if not _mount(path, MEBIBYTES[name]):
                break
            mounted[name] = path
        yield mounted if len(mounted) == len(FOLDERS) else {}
    finally:
        for path in mounted.values():
            _unmount(path)


@contextlib.contextmanager
def small_disk(path: Path, mebibytes: int) -> Generator[Path | None]:
    """Mount a small disk at the path, and yield the path. Yield None if we may not mount."""
    path.mkdir(parents=True, exist_ok=True)
    is_mounted = _mount(path, mebibytes)
    try:
        yield path if is_mounted else None
    finally:
        if is_mounted:
            _unmount(path)


def fill(path: Path) -> None:
    """Fill the disk until no byte is left."""
    with contextlib.suppress(OSError), (path / BALLAST).open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
    with contextlib.suppress(OSError), (path / BALLAST).open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def free(path: Path) -> None:
    (path / BALLAST).unlink(missing_ok=True)


def _unmount(path: Path) -> None:
    subprocess.run(["umount", "--lazy", str(path)], check=False)


def _mount(path: Path, mebibytes: int) -> bool:
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0711", "loupe-chaos", str(path)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
