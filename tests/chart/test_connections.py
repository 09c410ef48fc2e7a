"""The computation of NetworkPolicies: each part of a rule restricts what is allowed."""

from typing import Any

import pytest

from tests.chart.connections import Endpoint, connections, endpoints_of
from tests.chart.objects import Object, Release
from tests.chart.planted_defects import correct_release

STRANGER = Endpoint(
    name="stranger", namespace="elsewhere", labels={"app": "stranger"}, ports=("80", "53/UDP")
)
NEIGHBOUR = Endpoint(name="neighbour", namespace="sound", labels={}, ports=("80",))
WORLD = Endpoint(name="world", ip="203.0.113.9", labels={}, ports=("443",))
OUTSIDE = (STRANGER, NEIGHBOUR, WORLD)
WEB = {"app.kubernetes.io/component": "web"}
TO_STORE = ("web", "store", "4222")
TO_METRICS = ("stranger", "web", "9090")
TO_HTTP = ("stranger", "web", "8000")


def policy(component: str | None, **spec: Any) -> Object:
    labels = {"app.kubernetes.io/component": component} if component else {}
    return {
        "kind": "NetworkPolicy",
        "metadata": {"name": component or "all"},
        "spec": {"podSelector": {"matchLabels": labels}, **spec},
    }


def allowed(*policies: Object) -> set[tuple[str, str, str]]:
    release: Release = correct_release(*policies)
    return connections(release, [*endpoints_of(release), *OUTSIDE])


NOTHING = policy(None, policyTypes=["Ingress", "Egress"])


def test_without_policies_everything_is_allowed() -> None:
    found = allowed()

    assert {TO_STORE, TO_HTTP, ("setup", "world", "443"), ("neighbour", "store", "4222")} <= found


def test_a_policy_without_rules_denies_everything() -> None:
    assert allowed(NOTHING) == set()


def test_the_policies_of_both_sides_have_to_allow_a_connection() -> None:
    leaving = policy("web", policyTypes=["Egress"], egress=[{"ports": [{"port": 4222}]}])
    coming = policy("store", ingress=[{"from": [{"podSelector": {"matchLabels": WEB}}]}])

    assert allowed(NOTHING, leaving) == set()
    assert allowed(NOTHING, coming) == set()
    assert allowed(NOTHING, leaving, coming) == {TO_STORE}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, {TO_HTTP, TO_METRICS, ("neighbour", "web", "8000"), ("world", "web", "8000")}),
        (
            {"ports": [{"port": "metrics"}]},
            {TO_METRICS, ("neighbour", "web", "9090"), ("world", "web", "9090")},
        ),
        ({"ports": [{"port": "nothing"}]}, set()),
        ({"ports": [{"port": 8000, "protocol": "UDP"}]}, set()),
        ({"from": [{"podSelector": {}}]}, {("neighbour", "web", "8000"), ("neighbour", "web", "9090")}),
        (
            {"from": [{"namespaceSelector": {}}], "ports": [{"port": 8000}]},
            {TO_HTTP, ("neighbour", "web", "8000")},
        ),
        (
            {
                "from": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}},
                        "podSelector": {"matchLabels": {"app": "stranger"}},
                    }
                ],
                "ports": [{"port": 8000, "endPort": 9090}],
            },
            {TO_HTTP, TO_METRICS},
        ),
        (
            {
                "from": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}},
                        "podSelector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
                    }
                ]
            },
            set(),
        ),
        (
            {"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [{"port": 8000}]},
            {("world", "web", "8000")},
        ),
        (
            {
                "from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}],
                "ports": [{"port": "http"}],
            },
            {("world", "web", "8000")},
        ),
    ],
)
def test_a_rule_allows_only_the_peers_and_ports_that_it_names(
    rule: Object, expected: set[tuple[str, str, str]]
) -> None:
    found = allowed(NOTHING, policy("web", ingress=[rule]))

    assert expected <= found if not rule else expected == found


def test_a_network_without_exceptions_contains_pods_too() -> None:
    anywhere = policy("web", policyTypes=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])

    assert allowed(anywhere) >= {TO_STORE, ("web", "world", "443")}
