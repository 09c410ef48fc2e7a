"""Records which manager owns which fields of an object, as server-side apply defines it."""

from dataclasses import dataclass, field
from typing import Any

from tests.chart.api.paths import ABSENT, Path, leaves, merged, remove

IDENTITY = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}


class Conflict(Exception):
    """Another manager owns a field. The message names both."""


@dataclass
class Owners:
    """The paths that each manager owns."""

    paths: dict[str, set[Path]] = field(default_factory=dict[str, set[Path]])

    def apply(self, live: Any, wanted: Any, manager: str, *, force: bool) -> Any:
        """Return the object as `manager` wants it. Raise `Conflict` if another one owns one of its fields."""
        present, new = dict(leaves(live)), _without_identity(dict(leaves(wanted)))
        for other, owned in self.paths.items():
            disputed = {path for path in owned & new.keys() if present.get(path, ABSENT) != new[path]}
            if other != manager and disputed and not force:
                fields = ", ".join(sorted(f".{'.'.join(path)}" for path in disputed))
                message = f"Apply failed with {len(disputed)} conflict: conflict with {other!r}: {fields}"
                raise Conflict(message)
            if other != manager:
                owned.difference_update(disputed)
        others = {path for other, owned in self.paths.items() if other != manager for path in owned}
        whole = merged(live, wanted)
        for path in self.paths.get(manager, set()) - new.keys() - others:
            remove(whole, path)
        self.paths[manager] = set(new)
        return whole

    def update(self, before: Any, after: Any, manager: str) -> None:
        """Give `manager` the fields that it changed."""
        old, new = dict(leaves(before)), _without_identity(dict(leaves(after)))
        changed = {path for path, value in new.items() if old.get(path, ABSENT) != value}
        for owned in self.paths.values():
            owned.difference_update(changed)
            owned.intersection_update(new.keys())
        self.paths.setdefault(manager, set()).update(changed)


def _without_identity(paths: dict[Path, Any]) -> dict[Path, Any]:
    return {path: value for path, value in paths.items() if path not in IDENTITY and path[0] != "status"}
