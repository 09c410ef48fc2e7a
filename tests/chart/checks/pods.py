"""Pods declare their resources and probes, and end in time."""

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
"""The longest time, in seconds, that a service takes to stop after SIGTERM."""


def quantity(text: str | float) -> Decimal:
    parsed = QUANTITY.fullmatch(str(text))
    if parsed is None:
        raise ValueError(text)
    base, power = UNITS[parsed[2]]
    return Decimal(parsed[1]) * Decimal(base) ** power


def requests_are_below_limits(release: Release) -> Iterator[str]:
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
                    yield f"{where}: it requests {requests[name]} {name}, above the limit {limits[name]}"


def containers_declare_resources(release: Release) -> Iterator[str]:
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


def services_are_probed(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.spec["containers"] if pod.owner["kind"] in WORKLOADS else ():
            for probe in PROBES if container.get("ports") else ():
                if probe not in container:
                    yield f"{pod}, {container['name']}: no {probe}"


def probes_use_declared_ports(release: Release) -> Iterator[str]:
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
                        yield f"{pod}, {container['name']}: {probe} uses port {port}"


def startup_is_given_more_time_than_liveness(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.spec["containers"]:
            start, live = container.get("startupProbe"), container.get("livenessProbe")
            if start and live and seconds_of_failures(start) <= seconds_of_failures(live):
                yield f"{pod}, {container['name']}: only {seconds_of_failures(start)} s to start"


def pods_end_in_time(release: Release) -> Iterator[str]:
    for pod in release.pods:
        if pod.owner["kind"] not in WORKLOADS or not pod.ports:
            continue
        grace = pod.spec.get("terminationGracePeriodSeconds", 30)
        pause = max(_pre_stop(container) for container in pod.spec["containers"])
        if grace <= pause + LONGEST_DRAIN:
            yield f"{pod}: {pause} s before and {LONGEST_DRAIN:.0f} s after SIGTERM do not fit into {grace} s"


def updates_start_a_pod_before_they_stop_one(release: Release) -> Iterator[str]:
    """An update starts a new pod first.

    Pods with a GPU are exempt, because there may be no GPU for one more, and so is a worker where no second
    one fits (`maxSurge: 0`): its work waits in the queue meanwhile.
    """
    for pod in release.pods:
        limits = [name for one in pod.containers for name in (one.get("resources") or {}).get("limits") or {}]
        if any("/" in name for name in limits):
            continue
        rolling = pod.owner["spec"].get("strategy", {}).get("rollingUpdate", {})
        if pod.component == "inference" and rolling.get("maxSurge") == 0:
            continue
        if pod.owner["kind"] == "Deployment" and pod.ports and rolling.get("maxUnavailable") != 0:
            yield f"{pod}: maxUnavailable is not 0"


def jobs_end(release: Release) -> Iterator[str]:
    for pod in release.pods:
        if pod.owner["kind"] not in RUN_ONCE:
            continue
        if pod.spec.get("restartPolicy") not in ("Never", "OnFailure"):
            yield f"{pod}: it is restarted for ever"
        if pod.spec.get("restartPolicy") == "OnFailure":
            yield f"{pod}: its log is lost after the last failure"
        if pod.owner["kind"] == "Job" and "activeDeadlineSeconds" not in pod.owner["spec"]:
            yield f"{pod}: no deadline"


def seconds_of_failures(probe: Object) -> int:
    """Return the seconds of failures until Kubernetes acts."""
    return probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)


def _is_quantity(text: str | float) -> bool:
    return QUANTITY.fullmatch(str(text)) is not None


def _asked(probe: Object) -> Iterator[int | str]:
    for way in ("httpGet", "grpc", "tcpSocket"):
        if way in probe:
            yield probe[way]["port"]


def _pre_stop(container: Object) -> int:
    """Return the seconds of a preStop sleep, which is an action or a command."""
    action = container.get("lifecycle", {}).get("preStop", {})
    command = " ".join(action.get("exec", {}).get("command", []))
    seconds = re.search(r"sleep\D{0,3}(\d+)", command)
    return action.get("sleep", {}).get("seconds", 0) or (int(seconds[1]) if seconds else 0)


CHECKS = (
    requests_are_below_limits,
    containers_declare_resources,
    scratch_is_limited,
    services_are_probed,
    probes_use_declared_ports,
    startup_is_given_more_time_than_liveness,
    pods_end_in_time,
    updates_start_a_pod_before_they_stop_one,
    jobs_end,
)
