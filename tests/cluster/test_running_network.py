"""NetworkPolicies, proven by connections: pods reach exactly what the design allows."""

import os

import pytest

from tests.chart.design import CALLS, METRICS, PORTS
from tests.cluster.running import SERVICES, Live
from tests.cluster.space import Space
from tests.cluster.visitor import NAME, PORT, Address, connections

OTHERS = {"nats": ("6222", "8222")}
"""Ports that only NATS itself, or KEDA, may reach."""


@pytest.fixture(scope="module")
def addresses(live: Live) -> set[Address]:
    """The addresses of all ports of the release, and of the visitor. Their names are `component port`."""
    pods = [*live.space.of("Pod"), live.visitor.space.get("Pod", NAME)]
    found = set[Address]()
    for pod in pods:
        component = pod["metadata"]["labels"].get("app.kubernetes.io/component", NAME)
        listens = {PORTS.get(component), *METRICS.get(component, ()), *OTHERS.get(component, ())} - {None}
        ports = (str(PORT),) if component == NAME else sorted(filter(None, listens))
        found |= {(f"{component} {port}", pod["status"]["podIP"], int(port)) for port in ports}
    if any(name == "postgresql 5432" for name in reached(live.visitor.space, f"pod/{NAME}", found)):
        if "LOUPE_CLUSTER_POLICIES" in os.environ:
            pytest.fail("a stranger reaches the database although a controller should enforce policies")
        pytest.skip("nothing enforces NetworkPolicies in this cluster")
    return found


def reached(space: Space, workload: str, addresses: set[Address]) -> set[str]:
    return {name for name, _, _ in connections(space, workload, addresses)}


def names_of(*components: str) -> set[str]:
    return {f"{name} {PORTS[name]}" for name in components}


@pytest.mark.parametrize("source", [*SERVICES, "operator"])
def test_a_pod_reaches_what_the_design_allows_and_nothing_else(
    live: Live, addresses: set[Address], source: str
) -> None:
    others = {address for address in addresses if not address[0].startswith(f"{source} ")}

    found = reached(live.space, f"deploy/loupe-{source}", others)

    receiver = {f"{NAME} {PORT}"} if source == "outbound" else set[str]()
    assert found == names_of(*CALLS[source]) | receiver


def test_a_stranger_reaches_the_api_and_nothing_else(live: Live, addresses: set[Address]) -> None:
    own = {address for address in addresses if address[0].startswith(f"{NAME} ")}

    found = reached(live.visitor.space, f"pod/{NAME}", addresses - own)

    assert found == names_of("gateway")
