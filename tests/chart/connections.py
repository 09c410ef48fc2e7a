"""Compute which connections the NetworkPolicies of a release allow, as the API reference defines it."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chart.objects import Object, Pod, Release, matches

Connection = tuple[str, str, str]
"""Source, target and port, such as `9000` or `53/UDP`."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A pod, or an address outside the cluster, which has no namespace."""

    name: str
    ip: str = "10.244.1.9"
    namespace: str | None = None
    labels: Mapping[str, str]
    pod: Pod | None = None
    ports: tuple[str, ...] = ()

    @property
    def namespace_labels(self) -> Mapping[str, str]:
        return {"kubernetes.io/metadata.name": self.namespace or ""}


def endpoints_of(release: Release) -> list[Endpoint]:
    """Return an endpoint for each pod template. Its name is the component, and for a Job the Job's name."""
    return [
        Endpoint(
            name=_name(pod),
            namespace=release.namespace,
            labels=pod.labels,
            pod=pod,
            ports=tuple(_port(port["containerPort"], port.get("protocol", "TCP")) for port in pod.ports),
        )
        for pod in release.pods
    ]


def connections(release: Release, endpoints: Iterable[Endpoint]) -> set[Connection]:
    """Return every allowed connection. An endpoint may connect to itself if it may have several pods."""
    known = list(endpoints)
    return {
        (source.name, target.name, port)
        for source in known
        for target in known
        for port in target.ports
        if is_allowed(release, source, target, port)
    }


def is_allowed(release: Release, source: Endpoint, target: Endpoint, port: str) -> bool:
    if source.pod is None and target.pod is None:
        return False
    return _passes(release, source, target, port, "Egress") and _passes(
        release, target, source, port, "Ingress"
    )


def _passes(release: Release, own: Endpoint, other: Endpoint, port: str, direction: str) -> bool:
    """Return whether the policies of `own` allow the connection.

    Without a policy for this direction everything is allowed.
    """
    if own.pod is None:
        return True
    policies = [
        policy
        for policy in release.of("NetworkPolicy")
        if matches(policy["spec"]["podSelector"], own.labels) and direction in _types(policy)
    ]
    target = other if direction == "Egress" else own
    side, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return not policies or any(
        is_peer(release, rule.get(peers) or [], other) and _is_port(rule.get("ports") or [], target, port)
        for policy in policies
        for rule in policy["spec"].get(side) or []
    )


def _types(policy: Object) -> list[str]:
    spec = policy["spec"]
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]


def is_peer(release: Release, peers: list[Object], other: Endpoint) -> bool:
    """Return whether one of the peers selects the endpoint. An empty list selects everybody."""
    return not peers or any(_is_one(release, peer, other) for peer in peers)


def _is_one(release: Release, peer: Object, other: Endpoint) -> bool:
    if "ipBlock" in peer:
        address, block = ipaddress.ip_address(other.ip), peer["ipBlock"]
        excepted = any(address in ipaddress.ip_network(one) for one in block.get("except") or [])
        return address in ipaddress.ip_network(block["cidr"]) and not excepted
    if other.namespace is None:
        return False
    in_namespace = (
        matches(peer["namespaceSelector"], other.namespace_labels)
        if "namespaceSelector" in peer
        else other.namespace == release.namespace
    )
    return in_namespace and matches(peer.get("podSelector") or {}, other.labels)


def _is_port(ports: list[Object], target: Endpoint, port: str) -> bool:
    number, protocol = _parsed(port)
    return not ports or any(_covers(one, target, number, protocol) for one in ports)


def _covers(one: Object, target: Endpoint, number: int, protocol: str) -> bool:
    if one.get("protocol", "TCP") != protocol:
        return False
    wanted: Any = one.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return target.pod is not None and target.pod.port(wanted, protocol) == number
    return wanted <= number <= one.get("endPort", wanted)


def _port(number: int, protocol: str) -> str:
    return str(number) if protocol == "TCP" else f"{number}/{protocol}"


def _parsed(port: str) -> tuple[int, str]:
    number, _, protocol = port.partition("/")
    return int(number), protocol or "TCP"


def _name(pod: Pod) -> str:
    return pod.component or str(pod)
