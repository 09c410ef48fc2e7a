"""How pods run: resources, probes, and how they end."""

import re
from collections.abc import Iterator
from decimal import Decimal

from common import rpc
from gateway.__main__ import DRAIN_SECONDS
from tests.chart.objects import RUN_ONCE, WORKLOADS, Object, Release

QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti|)")
UNITS = {
    **{unit: (1000, power) for power, unit in enumerate(("m", "", "k", "M", "G", "T"), -1)},
    **{unit: (1024, power) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)},
}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
LONGEST_DRAIN = max(rpc.DRAIN_SECONDS, float(DRAIN_SECONDS))
"""Seconds that a service takes at most after SIGTERM."""


def quantity(text: str | float) -> Decimal:
    parsed = QUANTITY.fullmatch(str(text))
    if parsed is None:
        raise ValueError(text)
    base, power = UNITS[parsed[2]]
    return Decimal(parsed[1]) * Decimal(base) ** power


def quantities_are_in_order(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.containers:
            where = f"{pod}, {container['name']}"
            resources = container.get("resources") or {}
            requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
            wrong = {
                str(value) for value in (*requests.values(), *limits.values()) if not _is_quantity(value)
            }
            yield from (f"{where}: {value!r} is no quantity" for value in sorted(wrong))
            for name in () if wrong else requests.keys() & limits.keys():
                if quantity(requests[name]) > quantity(limits[name]):
                    yield f"{where}: it requests {requests[name]} {name} and may have {limits[name]}"


def containers_say_what_they_need(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.containers:
            resources = container.get("resources") or {}
            for kind, name in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
                if name not in (resources.get(kind) or {}):
                    yield f"{pod}, {container['name']}: no {name} in its {kind}"


def scratch_is_limited(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" in volume and not _is_quantity((volume["emptyDir"] or {}).get("sizeLimit", "")):
                yield f"{pod}: {volume['name']} has no limit"


def what_listens_is_probed(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.spec["containers"] if pod.owner["kind"] in WORKLOADS else ():
            for probe in PROBES if container.get("ports") else ():
                if probe not in container:
                    yield f"{pod}, {container['name']}: no {probe}"


def probes_ask_declared_ports(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.containers:
            declared = {
                known
                for one in container.get("ports", [])
                for known in (one["containerPort"], one.get("name"))
            }
            for probe in PROBES:
                for port in _asked(container.get(probe, {})):
                    if port not in declared:
                        yield f"{pod}, {container['name']}: {probe} asks port {port}"


def starting_may_take_longer_than_living(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.spec["containers"]:
            start, live = container.get("startupProbe"), container.get("livenessProbe")
            if start and live and patience(start) <= patience(live):
                yield f"{pod}, {container['name']}: only {patience(start)} s to start"


def pods_end_in_time(release: Release) -> Iterator[str]:
    for pod in release.pods:
        if pod.owner["kind"] not in WORKLOADS or not pod.ports:
            continue
        grace = pod.spec.get("terminationGracePeriodSeconds", 30)
        pause = max(_pre_stop(container) for container in pod.spec["containers"])
        if grace <= pause + LONGEST_DRAIN:
            yield f"{pod}: {pause} s before and {LONGEST_DRAIN:.0f} s after SIGTERM do not fit into {grace} s"


def updates_take_no_pod_away_first(release: Release) -> Iterator[str]:
    """But where a pod takes a whole GPU: there may be none for one more."""
    for pod in release.pods:
        limits = [name for one in pod.containers for name in (one.get("resources") or {}).get("limits") or {}]
        if any("/" in name for name in limits):
            continue
        rolling = pod.owner["spec"].get("strategy", {}).get("rollingUpdate", {})
        if pod.owner["kind"] == "Deployment" and pod.ports and rolling.get("maxUnavailable") != 0:
            yield f"{pod}: maxUnavailable is not 0"


def what_runs_once_ends(release: Release) -> Iterator[str]:
    for pod in release.pods:
        if pod.owner["kind"] not in RUN_ONCE:
            continue
        if pod.spec.get("restartPolicy") not in ("Never", "OnFailure"):
            yield f"{pod}: it is started again for ever"
        if pod.spec.get("restartPolicy") == "OnFailure":
            yield f"{pod}: once it has failed for good its log goes with it"
        if pod.owner["kind"] == "Job" and "activeDeadlineSeconds" not in pod.owner["spec"]:
            yield f"{pod}: no deadline"


def patience(probe: Object) -> int:
    """Seconds of failing until Kubernetes acts."""
    return probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)


def _is_quantity(text: str | float) -> bool:
    return QUANTITY.fullmatch(str(text)) is not None


def _asked(probe: Object) -> Iterator[int | str]:
    for way in ("httpGet", "grpc", "tcpSocket"):
        if way in probe:
            yield probe[way]["port"]


def _pre_stop(container: Object) -> int:
    """Sleeps, as an action of its own or as a command."""
    action = container.get("lifecycle", {}).get("preStop", {})
    words = " ".join(action.get("exec", {}).get("command", []))
    told = re.search(r"sleep\D{0,3}(\d+)", words)
    return action.get("sleep", {}).get("seconds", 0) or (int(told[1]) if told else 0)


CHECKS = (
    quantities_are_in_order,
    containers_say_what_they_need,
    scratch_is_limited,
    what_listens_is_probed,
    probes_ask_declared_ports,
    starting_may_take_longer_than_living,
    pods_end_in_time,
    updates_take_no_pod_away_first,
    what_runs_once_ends,
)
