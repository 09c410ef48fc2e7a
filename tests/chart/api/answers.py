"""Gives the API's answers: it finds, creates, patches and deletes objects of the store, or refuses."""

import copy
from collections.abc import Iterable
from typing import Any

from tests.chart.api import patches
from tests.chart.api.kinds import CUSTOM, KINDS, Kind
from tests.chart.api.ownership import Conflict
from tests.chart.api.paths import leaves
from tests.chart.api.store import Place, Store, Taken
from tests.chart.objects import Object

APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
Query = dict[str, list[str]]


class Refused(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


def parse(path: str) -> tuple[Kind, str, str]:
    """Return what a path names. The name is empty for a collection."""
    parts = path.strip("/").split("/")
    core = parts[0] == "api"
    version, rest = (parts[1], parts[2:]) if core else ("/".join(parts[1:3]), parts[3:])
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    kind = next((kind for kind in KINDS if kind.version == version and kind.plural == rest[0]), None)
    if kind is None:
        raise Refused(404, "NotFound", f"the server could not find the requested resource: {path}")
    return kind, namespace, rest[1] if len(rest) > 1 else ""


def selected(objects: Iterable[Object], query: Query) -> list[Object]:
    labels = [pair.split("=", 1) for pair in query.get("labelSelector", [""])[0].split(",") if pair]
    names = [
        pair.partition("=")[2]
        for pair in query.get("fieldSelector", [""])[0].split(",")
        if pair.startswith("metadata.name=")
    ]
    return [
        one
        for one in objects
        if all((one["metadata"].get("labels") or {}).get(key) == value for key, value in labels)
        and (not names or one["metadata"]["name"] in names)
    ]


class Answers:
    """Answers requests that change or read the store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def read(self, place: Place, query: Query) -> Object:
        kind, namespace, name = place
        if name:
            one = self._there(place)
            if self.store.controllers.note_look(one):
                self.store.write(place, one, None)
            return one
        return {
            "kind": f"{kind.name}List",
            "apiVersion": kind.version,
            "metadata": {"resourceVersion": str(self.store.number)},
            "items": selected(self.store.of(kind, namespace), query),
        }

    def create(self, place: Place, body: Object, manager: str) -> Object:
        kind, namespace, _ = place
        try:
            return self.store.create((kind, namespace, body["metadata"]["name"]), body, manager)
        except Taken as error:
            raise Refused(409, "AlreadyExists", str(error)) from error

    def replace(self, place: Place, body: Object, manager: str) -> Object:
        self._there(place)
        return self.store.write(place, body, manager)

    def patch(self, place: Place, body: Any, manager: str, content: str, *, force: bool) -> Object:
        kind = place[0]
        with self.store.changed:
            if content == APPLY:
                return self._apply(place, body, manager, force=force)
            live = self._there(place)
            is_merge = content == MERGE or kind.version.partition("/")[0] in CUSTOM
            new = (patches.merge if is_merge else patches.strategic)(live, body)
            _refuse_fixed(kind, live, new)
            return self.store.write(place, new, manager)

    def delete(self, place: Place) -> Object:
        self._there(place)
        self.store.delete(place)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _apply(self, place: Place, body: Object, manager: str, *, force: bool) -> Object:
        live = self.store.get(place) or {}
        try:
            new = self.store.owners(place).apply(copy.deepcopy(live), body, manager, force=force)
        except Conflict as error:
            raise Refused(409, "Conflict", str(error)) from error
        _refuse_fixed(place[0], live, new)
        return self.store.write(place, new, None)

    def _there(self, place: Place) -> Object:
        one = self.store.get(place)
        if one is None:
            raise Refused(404, "NotFound", f'{place[0].plural} "{place[2]}" not found')
        return one


def _refuse_fixed(kind: Kind, live: Object, new: Object) -> None:
    """Refuse a change of what Kubernetes never lets change."""
    fixed = {"Job": ("template",), "StatefulSet": ("volumeClaimTemplates", "serviceName")}.get(kind.name, ())
    for name in fixed if live else ():
        before, after = (dict(leaves(one.get("spec", {}).get(name))) for one in (live, new))
        if before != after:
            raise Refused(422, "Invalid", f"{kind.name}: spec.{name}: field is immutable")
