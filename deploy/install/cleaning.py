"""`make clean`: removes everything that make has created, but no pictures of a person without being told to.

Nothing is removed while a Loupe of this folder runs, because its processes would go on without their files.
"""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

CREATED = (
    ".venv",
    ".loupe",
    "uv.lock",
    "dist",
    ".pytest_cache",
    ".ruff_cache",
    ".import_linter_cache",
    ".hypothesis",
    "console/node_modules",
    "console/dist",
)
FOLDERS_ANYWHERE = ("__pycache__", ".egg-info")
RESULTS = Path(".loupe/demo")
NO_PICTURES = {".facts"}
PICTURE_OF_THE_DEMO = "chelsea@"
"""Begins the names of the results that `make demo` makes without a photo of a person."""


def main() -> int:
    if process := running_loupe():
        print(f"Loupe is running in this folder (process {process}). Stop it first.", file=sys.stderr)
        return 1
    pictures = own_pictures()
    if pictures and os.environ.get("PICTURES") != "delete":
        number = "is a picture" if len(pictures) == 1 else f"are {len(pictures)} pictures"
        print(
            f"There {number} of yours in {RESULTS}, such as {pictures[0].name!r}. "
            "Move them to another folder, or delete them too: make clean PICTURES=delete",
            file=sys.stderr,
        )
        return 1
    for name in CREATED:
        remove(Path(name))
    for folder in [*folders_anywhere(Path())]:
        remove(folder)
    if pictures:
        print(f"Removed everything that make has created, and {len(pictures)} of your pictures.")
    return 0


def running_loupe() -> str:
    """Return the process id of a Loupe, or of a test stack, that uses this folder. Empty if none does."""
    for path in Path(".loupe").glob("*/lock"):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(20) or "unknown"
    return ""


def own_pictures() -> list[Path]:
    found = RESULTS.iterdir() if RESULTS.is_dir() else ()
    return sorted(
        path
        for path in found
        if path.name not in NO_PICTURES and not path.name.startswith(PICTURE_OF_THE_DEMO)
    )


def folders_anywhere(top: Path) -> Iterator[Path]:
    for folder, names, _ in os.walk(top):
        for name in [each for each in names if each.endswith(FOLDERS_ANYWHERE)]:
            names.remove(name)
            yield Path(folder) / name
        names[:] = [each for each in names if each != ".git"]


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
