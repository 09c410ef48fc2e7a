"""Finds out which processes of the test stack run code that has changed since they were started."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from loupe_local.service_names import NAMES

ROOT = Path(__file__).parents[2]
WATCHED = ("proto/loupe", "services", "deploy/local", "requirements", "tests/warm", "tests/overrides.py")
BUILT = (".loupe/models", ".loupe/triton/ready", ".venv/run")
"""The files that make has built. They are compared by size and time, because they are large."""
LIBRARIES = (
    "proto/loupe/",
    "services/common/",
    "services/imagefile/",
    "services/confinement/",
    "services/rest/",
)
UNUSED = ("services/inference/models/",)
"""The sources of the models. What counts is what was built of them."""
IGNORED = {"__pycache__", "runtime.json"}
"""Triton writes `runtime.json` beside a model when it first loads it."""
VARIABLES = (*(f"{name.upper()}_" for name in NAMES), "OTEL_", "LOUPE_TRITON_")
"""Beginnings of the variables of our environment that the processes get."""
Snapshot = Mapping[str, str]
"""The digest of each file, by its path from the root of the repository."""


def snapshot(root: Path = ROOT) -> Snapshot:
    """Return the state of all files that decide how the test stack behaves."""
    found = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in _files(WATCHED, root)}
    for name, file in _files(BUILT, root):
        found[name] = f"{file.stat().st_size} {file.stat().st_mtime_ns}"
    return found


def changed_files(before: Snapshot, now: Snapshot) -> list[str]:
    """Return the files that were added, changed or removed."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def services_of(file: str) -> frozenset[str] | None:
    """Return the services that must restart because this file has changed, or None if everything must.

    A migration needs an empty database, and with it everything.
    """
    if file.startswith(LIBRARIES):
        return frozenset(NAMES)
    folder, _, rest = file.partition("/")
    service, _, inside = rest.partition("/")
    if folder != "services" or service not in NAMES or inside.startswith("migrations/"):
        return None
    return frozenset({service})


def variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables of an environment that change how the test stack behaves."""
    return {name: value for name, value in environment.items() if name.startswith(VARIABLES)}


def _files(names: tuple[str, ...], root: Path) -> Iterator[tuple[str, Path]]:
    """Yield all files below these folders with their paths from the root."""
    for path in (root / name for name in names):
        for file in [path] if path.is_file() else path.rglob("*"):
            name = file.relative_to(root).as_posix()
            if file.is_file() and not IGNORED & {*file.parts} and not name.startswith(UNUSED):
                yield name, file
