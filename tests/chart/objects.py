"""Kubernetes objects as plain dictionaries, and how to find things in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
RUN_ONCE = ("Job", "CronJob", "Pod")


@dataclass(frozen=True, kw_only=True)
class Release:
    """The objects that one `helm template` rendered, and its values."""

    objects: tuple[Object, ...]
    given: frozenset[str] = frozenset()
    """Names of existing Secrets and other objects that the values refer to."""
    name: str = "loupe"
    namespace: str = "loupe"
    values: Object = field(default_factory=dict[str, Any])

    def of(self, *kinds: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] in kinds]

    def find(self, kind: str, name: str) -> Object | None:
        return next((one for one in self.of(kind) if one["metadata"]["name"] == name), None)

    @property
    def pods(self) -> list["Pod"]:
        return [Pod(owner=one, template=_template(one)) for one in self.of(*WORKLOADS, *RUN_ONCE)]

    def selected(self, selector: Mapping[str, Any]) -> list["Pod"]:
        return [pod for pod in self.pods if matches(selector, pod.labels)]


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod template, and the object that contains it."""

    owner: Object
    template: Object

    def __str__(self) -> str:
        return called(self.owner)

    @property
    def labels(self) -> Mapping[str, str]:
        return self.template.get("metadata", {}).get("labels", {})

    @property
    def component(self) -> str:
        return self.labels.get("app.kubernetes.io/component", "")

    @property
    def spec(self) -> Object:
        return self.template["spec"]

    @property
    def containers(self) -> list[Object]:
        """All containers, with the init containers."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def ports(self) -> list[Object]:
        return [port for container in self.containers for port in container.get("ports", [])]

    def port(self, name: int | str, protocol: str = "TCP") -> int | None:
        """Return the number of a declared port with this name or number."""
        for port in self.ports:
            if name in (port["containerPort"], port.get("name")) and port.get("protocol", "TCP") == protocol:
                return port["containerPort"]
        return None


def called(one: Object) -> str:
    return f"{one['kind']}/{one['metadata'].get('name', '?')}"


def annotations(one: Object) -> Mapping[str, str]:
    return one["metadata"].get("annotations") or {}


def is_hook(one: Object) -> bool:
    return "helm.sh/hook" in annotations(one)


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether a LabelSelector, or a Service's plain map, matches the labels.

    An empty one matches everything.
    """
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return all(labels.get(key) == value for key, value in selector.items())
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def strings(value: Any) -> Iterator[str]:
    """Yield all strings in an object, without keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from strings(inner)


def found(value: Any, key: str) -> Iterator[Any]:
    """Yield every value under this key, at any depth."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == key:
                yield inner
            yield from found(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from found(inner, key)


def _template(one: Object) -> Object:
    if one["kind"] == "Pod":
        return one
    return (
        one["spec"]["jobTemplate"]["spec"]["template"]
        if one["kind"] == "CronJob"
        else one["spec"]["template"]
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values", [])
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[operator]
