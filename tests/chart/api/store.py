"""The objects of the cluster, with their owners and the history that watchers read."""

import copy
import threading
import uuid
from collections.abc import Iterator
from typing import Any

from tests.chart.api.controllers import NOW, Controllers, replica_set
from tests.chart.api.kinds import Kind
from tests.chart.api.ownership import Owners
from tests.chart.objects import Object

Place = tuple[Kind, str, str]
"""Kind, namespace and name."""
Change = tuple[int, str, Kind, Object]
"""Number, event such as `ADDED`, kind and object."""


class Taken(Exception):
    """An object of this name exists."""


class Store:
    def __init__(self, controllers: Controllers) -> None:
        self.controllers = controllers
        self.changed = threading.Condition(threading.RLock())
        self.events: list[Change] = []
        self._objects: dict[Place, Object] = {}
        self._owners: dict[Place, Owners] = {}
        self._number = 1

    @property
    def number(self) -> int:
        """The number of the last change."""
        return self._number

    def get(self, place: Place) -> Object | None:
        return self._objects.get(place)

    def of(self, kind: Kind, namespace: str = "") -> list[Object]:
        with self.changed:
            return [
                one
                for (its, where, _), one in sorted(self._objects.items())
                if its == kind and namespace in ("", where)
            ]

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def after(self, number: int, seconds: float) -> list[Change]:
        """Wait up to `seconds` for changes after the one of this number, and return them."""
        with self.changed:
            self.changed.wait_for(lambda: self._number > number, seconds)
            return [one for one in self.events if one[0] > number]

    def owners(self, place: Place) -> Owners:
        return self._owners.setdefault(place, Owners())

    def create(self, place: Place, one: Object, manager: str) -> Object:
        with self.changed:
            if place in self._objects:
                raise Taken(f'{place[0].plural} "{place[2]}" already exists')
            return self.write(place, one, manager)

    def write(self, place: Place, one: Object, manager: str | None) -> Object:
        """Store an object. A manager takes the fields that it changed. Without one, their owners stay."""
        with self.changed:
            kind, namespace, name = place
            before = self._objects.get(place)
            new = copy.deepcopy(one)
            metadata: dict[str, Any] = new.setdefault("metadata", {})
            metadata.update(name=name, **({"namespace": namespace} if namespace else {}))
            metadata.setdefault("uid", str(uuid.uuid4()))
            metadata.setdefault("creationTimestamp", NOW)
            if manager is not None:
                self.owners(place).update(before or {}, new, manager)
            self.controllers.settle(new)
            self._number += 1
            metadata["resourceVersion"] = str(self._number)
            self._objects[place] = new
            self._note("MODIFIED" if before else "ADDED", kind, new)
            if kind.name == "Deployment":
                self._follow(kind, namespace, new)
            return new

    def delete(self, place: Place) -> Object | None:
        with self.changed:
            one = self._objects.pop(place, None)
            self._owners.pop(place, None)
            if one is not None:
                self._number += 1
                gone = one | {"metadata": one["metadata"] | {"resourceVersion": str(self._number)}}
                self._note("DELETED", place[0], gone)
            return one

    def _follow(self, kind: Kind, namespace: str, deployment: Object) -> None:
        follower = replica_set(deployment)
        self.write(
            (Kind(kind.version, "ReplicaSet"), namespace, follower["metadata"]["name"]), follower, None
        )

    def _note(self, event: str, kind: Kind, one: Object) -> None:
        self.events.append((self._number, event, kind, one))
        self.changed.notify_all()
