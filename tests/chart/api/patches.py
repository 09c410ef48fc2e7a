"""The patches that Helm 3 sends: merge patches, and Kubernetes' strategic merge patches."""

from typing import Any

from tests.chart.api.paths import key_of

ORDER, DELETED, RETAINED = "$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys"


def merge(live: Any, patch: Any) -> Any:
    """Apply a JSON merge patch: null removes, a list replaces."""
    if not isinstance(patch, dict):
        return patch
    whole = dict(live) if isinstance(live, dict) else {}
    for name, inner in patch.items():
        if inner is None:
            whole.pop(name, None)
        else:
            whole[name] = merge(whole.get(name), inner)
    return whole


def strategic(live: Any, patch: Any) -> Any:
    """Apply a strategic merge patch: elements of lists are merged by their key."""
    if isinstance(patch, list):
        return _elements(live if isinstance(live, list) else [], patch)
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {name: inner for name, inner in patch.items() if name != "$patch"}
    whole = dict(live) if isinstance(live, dict) else {}
    if retained := patch.get(RETAINED):
        whole = {name: inner for name, inner in whole.items() if name in retained}
    for name, inner in patch.items():
        if name.startswith(DELETED):
            of = name.removeprefix(DELETED)
            whole[of] = [one for one in whole.get(of, []) if one not in inner]
        elif name.startswith("$"):
            continue
        elif inner is None:
            whole.pop(name, None)
        else:
            whole[name] = strategic(whole.get(name), inner)
    return whole


def _elements(live: list[Any], patch: list[Any]) -> list[Any]:
    changes = [one for one in patch if not (isinstance(one, dict) and one.get("$patch") == "replace")]
    if len(changes) < len(patch):
        return changes
    key = key_of(patch)
    if key is None:
        return patch
    whole = {str(one[key]): one for one in live if key in one}
    for one in patch:
        name = str(one[key])
        if one.get("$patch") == "delete":
            whole.pop(name, None)
        else:
            whole[name] = strategic(whole.get(name), one)
    return list(whole.values())
