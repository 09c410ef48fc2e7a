"""NetworkPolicies allow exactly the connections of the design."""

import pytest

from loupe_local.service_names import NAMES
from tests.chart.connections import Endpoint, connections, endpoints_of
from tests.chart.design import CALLS, PORTS, expected, outside
from tests.chart.environment import settings_of
from tests.chart.helm import DEFAULT, PROFILES, release, rendered
from tests.chart.objects import Release, called

STORES = {"nats_url": "nats", "database_url": "postgresql", "s3_endpoint": "object-store"}


def allowed(rendered_release: Release) -> set[tuple[str, str, str]]:
    return connections(rendered_release, [*endpoints_of(rendered_release), *outside(rendered_release)])


@pytest.mark.parametrize("profile", PROFILES)
def test_exactly_the_connections_of_the_design_are_allowed(profile: str) -> None:
    chart = rendered(profile)
    guarded = chart if chart.of("NetworkPolicy") else release(profile, networkPolicy={"enabled": True})

    found, designed = allowed(guarded), expected(guarded)

    assert sorted(found - designed) == []
    assert sorted(designed - found) == []


@pytest.mark.parametrize("service", NAMES)
def test_the_design_matches_the_targets_in_each_services_settings(service: str) -> None:
    fields = settings_of(service).model_fields

    targets = {name.removesuffix("_target") for name in fields if name.endswith("_target")} - {"triton"}
    stores = {store for name, store in STORES.items() if name in fields}

    assert CALLS[service] == targets | stores


def test_without_policies_every_connection_is_allowed() -> None:
    open_release = release(DEFAULT, networkPolicy={"enabled": False})

    found = allowed(open_release)

    assert open_release.of("NetworkPolicy") == []
    assert {("stranger", "postgresql", PORTS["postgresql"]), ("stranger", "inference", "8002")} <= found


def test_the_clients_can_be_restricted() -> None:
    ingress = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}}

    found = allowed(release(DEFAULT, networkPolicy={"clients": [ingress]}))

    callers = {source for source, target, port in found if (target, port) == ("gateway", "8000")}
    assert callers == {"stranger", "test"}


@pytest.mark.parametrize("store", [{}, {"publicEndpoint": "https://files.example.com"}])
def test_clients_can_reach_a_store_with_a_public_name(store: dict[str, str]) -> None:
    found = allowed(release(DEFAULT, objectStore=store))

    assert (("stranger", "object-store", "8333") in found) == bool(store)


def test_dns_may_use_another_port() -> None:
    chart = release(DEFAULT, networkPolicy={"dnsPorts": [53, 5353]})
    kube_dns = Endpoint(name="dns", namespace="kube-system", labels={}, ports=("53/UDP", "5353/UDP", "5353"))

    found = {
        connection
        for connection in connections(chart, [*endpoints_of(chart), kube_dns])
        if connection[1] == "dns"
    }

    assert {port for source, _, port in found if source == "gateway"} == set(kube_dns.ports)


def test_a_policy_that_is_missing_is_found() -> None:
    whole = rendered(DEFAULT)
    less = tuple(one for one in whole.objects if called(one) != "NetworkPolicy/loupe-nats")
    broken = Release(objects=less, values=whole.values, namespace=whole.namespace)

    missing = expected(broken) - allowed(broken)

    assert ("gateway", "nats", "4222") in missing
    assert ("nats", "nats", "6222") in missing


def test_a_policy_that_selects_too_much_is_found() -> None:
    everybody = {
        "kind": "NetworkPolicy",
        "metadata": {"name": "open"},
        "spec": {"podSelector": {}, "ingress": [{}]},
    }
    whole = rendered(DEFAULT)
    broken = Release(objects=(*whole.objects, everybody), values=whole.values, namespace=whole.namespace)

    more = allowed(broken) - expected(broken)

    assert ("stranger", "postgresql", "5432") in more
    assert ("world", "inference", "8002") in more
