"""References between objects match: selectors and pods, ports and containers, mounts and volumes."""

import re
from collections.abc import Iterator

from tests.chart.objects import WORKLOADS, Release, called, found, matches, strings


def selectors_match_their_own_pods(release: Release) -> Iterator[str]:
    for pod in release.pods:
        if pod.owner["kind"] in WORKLOADS and not matches(pod.owner["spec"]["selector"], pod.labels):
            yield f"{pod}: the selector does not match its own pods"


def selectors_do_not_overlap(release: Release) -> Iterator[str]:
    """Two workloads with overlapping selectors take each other's pods."""
    for owner in release.of(*WORKLOADS):
        for pod in release.selected(owner["spec"]["selector"]):
            if pod.owner is not owner:
                yield f"{called(owner)}: the selector matches pods of {pod}"


def services_reach_one_workload(release: Release) -> Iterator[str]:
    for service in release.of("Service"):
        selector = service["spec"].get("selector")
        if selector is None:
            continue
        pods = release.selected(selector)
        if len(pods) != 1:
            names = ", ".join(map(str, pods)) or "nothing"
            yield f"{called(service)}: it selects {names}"


def services_reach_a_port(release: Release) -> Iterator[str]:
    for service in release.of("Service"):
        for pod in release.selected(service["spec"].get("selector") or {"no": "pods"}):
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if pod.port(target, port.get("protocol", "TCP")) is None:
                    yield f"{called(service)}: {pod} has no port {target}"


def mounts_and_volumes_agree(release: Release) -> Iterator[str]:
    for pod in release.pods:
        claimed = [one["metadata"]["name"] for one in pod.owner["spec"].get("volumeClaimTemplates", [])]
        volumes = {volume["name"] for volume in pod.spec.get("volumes", [])} | set(claimed)
        mounts = [
            (container["name"], mount)
            for container in pod.containers
            for mount in container.get("volumeMounts", [])
        ]
        for container, mount in mounts:
            if mount["name"] not in volumes:
                yield f"{pod}, {container}: there is no volume {mount['name']}"
        used = {mount["name"] for _, mount in mounts}
        yield from (f"{pod}: nobody mounts the volume {name}" for name in sorted(volumes - used))


def mount_paths_are_unique(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.containers:
            paths = [mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts", [])]
            for path in sorted({path for path in paths if paths.count(path) > 1}):
                yield f"{pod}, {container['name']}: {path} is mounted twice"


def statefulsets_have_their_service(release: Release) -> Iterator[str]:
    """Pods of a StatefulSet find each other by name only with a headless Service."""
    for one in release.of("StatefulSet"):
        service = release.find("Service", one["spec"].get("serviceName", ""))
        if service is None:
            yield f"{called(one)}: there is no Service {one['spec'].get('serviceName')}"
        elif one["spec"]["replicas"] > 1 and service["spec"].get("clusterIP") != "None":
            yield f"{called(one)}: its Service {service['metadata']['name']} is not headless"


def routes_lead_to_a_service(release: Release) -> Iterator[str]:
    for one in release.of("Ingress", "HTTPRoute"):
        for backend in _backends(one):
            name, port = backend
            service = release.find("Service", name)
            if service is None:
                yield f"{called(one)}: there is no Service {name}"
            elif port not in {
                known for each in service["spec"]["ports"] for known in (each["port"], each.get("name"))
            }:
                yield f"{called(one)}: the Service {name} has no port {port}"


def monitors_select_a_service(release: Release) -> Iterator[str]:
    for monitor in release.of("ServiceMonitor"):
        selector = monitor["spec"]["selector"]
        services = [
            one for one in release.of("Service") if matches(selector, one["metadata"].get("labels") or {})
        ]
        if not services:
            yield f"{called(monitor)}: it selects no Service"
        names = {port.get("name") for service in services for port in service["spec"]["ports"]}
        for port in (endpoint["port"] for endpoint in monitor["spec"]["endpoints"]):
            if services and port not in names:
                yield f"{called(monitor)}: no Service has a port named {port}"


def addresses_lead_to_services(release: Release) -> Iterator[str]:
    """Checks every name of this namespace with a port, in variables, commands and files."""
    address = re.compile(rf"([a-z0-9][-a-z0-9.]*)\.{release.namespace}\.svc(?:\.cluster\.local)?\.?:(\d+)")
    for one in release.objects:
        for name, port in sorted({match for text in strings(one) for match in address.findall(text)}):
            service = release.find("Service", name.rpartition(".")[2])
            if service is None:
                yield f"{called(one)}: there is no Service {name}"
            elif int(port) not in {each["port"] for each in service["spec"]["ports"]}:
                yield f"{called(one)}: the Service {name} has no port {port}"


def headless_services_keep_ports(release: Release) -> Iterator[str]:
    """A headless name leads to the pods themselves: a Service port must be the pods' port."""
    for service in release.of("Service"):
        if service["spec"].get("clusterIP") != "None":
            continue
        for pod in release.selected(service["spec"]["selector"]):
            for port in service["spec"]["ports"]:
                target = pod.port(port.get("targetPort", port["port"]), port.get("protocol", "TCP"))
                if target not in (None, port["port"]):
                    yield f"{called(service)}: port {port['port']} is {target} at {pod}"


def _backends(one: dict[str, object]) -> Iterator[tuple[str, int | str]]:
    if one["kind"] == "Ingress":
        for service in found(one["spec"], "service"):
            yield service["name"], service["port"].get("number") or service["port"].get("name")
    for references in found(one["spec"], "backendRefs"):
        for reference in references:
            yield reference["name"], reference.get("port", 0)


CHECKS = (
    selectors_match_their_own_pods,
    selectors_do_not_overlap,
    services_reach_one_workload,
    services_reach_a_port,
    mounts_and_volumes_agree,
    mount_paths_are_unique,
    statefulsets_have_their_service,
    routes_lead_to_a_service,
    monitors_select_a_service,
    addresses_lead_to_services,
    headless_services_keep_ports,
)
