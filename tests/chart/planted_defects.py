"""A correct release, and defects that are planted into it at `Kind/name` and a path."""

import functools
import json
from pathlib import Path
from typing import Any

from tests.chart.helm import load
from tests.chart.objects import Object, Release, called

CORRECT_RELEASE = Path(__file__).parent / "correct_release.yaml"
WEB = "Deployment/web"
CONTAINER = "spec.template.spec.containers.0"
REMOVED = object()
"""Stands for a value that is removed."""


@functools.cache
def objects() -> tuple[Object, ...]:
    return tuple(load(CORRECT_RELEASE.read_text()))


def correct_release(*more: Object) -> Release:
    """Return the correct release, with `more` objects at the end."""
    return Release(objects=(*_copies(), *more), given=frozenset({"given"}), name="sound", namespace="sound")


def plant_defect(where: str, path: str, value: Any) -> Release:
    """Return a release with defects.

    A path is `spec.ports.0.name`, or has `|` for dots if a key contains dots.
    """
    release = correct_release()
    keys = path.split("|" if "|" in path else ".")
    inner: Any = next(one for one in release.objects if called(one) == where)
    for key in keys[:-1]:
        inner = inner[int(key)] if isinstance(inner, list) else inner.setdefault(key, {})
    if isinstance(inner, list):
        inner[int(keys[-1])] = value
    elif value is REMOVED:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return release


def renamed_copy(where: str, **metadata: Any) -> Object:
    """Return a copy of an object under another name."""
    one = next(one for one in _copies() if called(one) == where)
    one["metadata"] |= metadata
    return one


def _copies() -> list[Object]:
    """Copy by JSON: YAML loads a repeated reference as the same dictionary."""
    return json.loads(json.dumps(objects()))
