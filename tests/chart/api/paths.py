"""Objects as paths to their values. Elements of a list are known by their key, as Kubernetes merges them."""

from collections.abc import Iterator
from typing import Any

Path = tuple[str, ...]
KEYS = ("containerPort", "port", "mountPath", "topologyKey", "name", "ip", "type", "uid")
"""Fields by which Kubernetes tells the elements of a list apart. The first that all elements have is used."""
PORTS = ("containerPort", "port")
ABSENT = object()


def key_of(elements: list[Any]) -> str | None:
    """Return the field that tells the elements apart, or None if the list is one value."""
    if not elements or not all(isinstance(one, dict) for one in elements):
        return None
    for key in KEYS:
        if all(key in one for one in elements) and len({str(one[key]) for one in elements}) == len(elements):
            return key
    return None


def label(key: str, element: dict[str, Any]) -> str:
    return f"{key}={element[key]}"


def leaves(value: Any, above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the path and the value of everything that is no map and no list of named elements."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from leaves(inner, (*above, name))
    elif isinstance(value, list) and (key := key_of(value)):
        for one in value:
            yield from leaves(one, (*above, label(key, one)))
    else:
        yield above, value


def remove(value: Any, path: Path) -> None:
    """Remove what is at the path, and the maps and elements that are empty after that."""
    inner, *rest = path
    if isinstance(value, dict):
        if inner not in value:
            return
        if rest:
            remove(value[inner], tuple(rest))
        if not rest or value[inner] in ({}, []):
            del value[inner]
    elif isinstance(value, list):
        key, _, name = inner.partition("=")
        for one in [one for one in value if isinstance(one, dict) and str(one.get(key)) == name]:
            if rest:
                remove(one, tuple(rest))
            if not rest or not set(one) - {key}:
                value.remove(one)


def merged(live: Any, wanted: Any) -> Any:
    """Return `live` with everything that `wanted` says."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        return live | {name: merged(live.get(name), inner) for name, inner in wanted.items()}
    if isinstance(live, list) and isinstance(wanted, list) and (key := key_of(wanted)):
        there = {label(key, one): one for one in live if isinstance(one, dict) and key in one}
        named = {label(key, one) for one in wanted}
        others = [one for name, one in there.items() if name not in named]
        return [merged(there.get(label(key, one)), one) for one in wanted] + others
    return wanted
