"""Names and labels are valid, short enough for every kind, and as common tools expect them."""

import re
from collections import Counter
from collections.abc import Iterator

from tests.chart.objects import Release, annotations, called, is_hook

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
ENV_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
LONGEST = 63
OF_THE_CLUSTER = ("PriorityClass", "ClusterRole", "ClusterRoleBinding", "Namespace", "StorageClass")
EVERYWHERE = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
)
ON_PODS = ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component")


def names_are_valid(release: Release) -> Iterator[str]:
    for one in release.objects:
        name = one["metadata"].get("name", "")
        if not NAME.fullmatch(name) or len(name) > LONGEST:
            yield f"{called(one)}: a name has at most {LONGEST} of a-z, 0-9 and -"
    for pod in release.pods:
        names = [one["name"] for one in (*pod.containers, *pod.spec.get("volumes", []))]
        yield from (f"{pod}: {name!r} is no name" for name in names if not NAME.fullmatch(name))


def names_are_unique(release: Release) -> Iterator[str]:
    counted = Counter((one["apiVersion"].partition("/")[0], called(one)) for one in release.objects)
    yield from (f"{name} exists {times} times" for (_, name), times in counted.items() if times > 1)
    for pod in release.pods:
        containers = Counter(container["name"] for container in pod.containers)
        ports = Counter(port.get("name") for port in pod.ports if port.get("name"))
        for name, times in (containers + ports).items():
            if max(containers[name], ports[name]) > 1:
                yield f"{pod}: {name} exists {times} times"


def objects_are_in_the_namespace(release: Release) -> Iterator[str]:
    for one in release.objects:
        namespace = one["metadata"].get("namespace", release.namespace)
        if one["kind"] in OF_THE_CLUSTER:
            if "namespace" in one["metadata"]:
                yield f"{called(one)}: this kind has no namespace"
        elif namespace != release.namespace:
            yield f"{called(one)} goes to the namespace {namespace}"


def labels_are_standard(release: Release) -> Iterator[str]:
    for one in release.objects:
        labels = one["metadata"].get("labels") or {}
        yield from (f"{called(one)}: no label {label}" for label in EVERYWHERE if label not in labels)
        if labels.get("app.kubernetes.io/managed-by", "Helm") != "Helm":
            yield f"{called(one)}: managed by {labels['app.kubernetes.io/managed-by']}"
    for pod in release.pods:
        yield from (f"pods of {pod}: no label {label}" for label in ON_PODS if label not in pod.labels)


def label_values_are_valid(release: Release) -> Iterator[str]:
    labelled = [(called(one), one["metadata"].get("labels") or {}) for one in release.objects]
    for where, labels in (*labelled, *((f"pods of {pod}", pod.labels) for pod in release.pods)):
        for label, value in labels.items():
            if len(value) > LONGEST or not LABEL_VALUE.fullmatch(value):
                yield f"{where}: {value!r} is no value for the label {label}"


def hooks_are_removed(release: Release) -> Iterator[str]:
    for one in release.objects:
        if is_hook(one) and "helm.sh/hook-delete-policy" not in annotations(one):
            yield f"{called(one)}: a hook without a delete policy stays for ever"


def variables_are_unique(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.containers:
            counted = Counter(variable["name"] for variable in container.get("env", []))
            where = f"{pod}, {container['name']}"
            yield from (
                f"{where}: {name} is set {times} times" for name, times in counted.items() if times > 1
            )
            yield from (
                f"{where}: {name!r} is no variable" for name in counted if not ENV_NAME.fullmatch(name)
            )


CHECKS = (
    names_are_valid,
    names_are_unique,
    objects_are_in_the_namespace,
    labels_are_standard,
    label_values_are_valid,
    hooks_are_removed,
    variables_are_unique,
)
