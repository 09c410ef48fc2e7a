"""Pods have what clusters demand: limits for quotas, nodes, users, address families and certificates."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from common import rpc
from tests.chart.checks.pods import quantity
from tests.chart.connections import Endpoint, connections, endpoints_of
from tests.chart.environment import containers_of, environment
from tests.chart.helm import DEFAULT, PROFILES, release, rendered
from tests.chart.installation import upgraded
from tests.chart.objects import Object, Pod, Release, annotations

MIB = 2**20
LAPTOP_CORES, LAPTOP_MIB = Decimal(2), 4096
DNS_CACHE_SECONDS = 30
"""How long CoreDNS and NodeLocal DNSCache may keep an address, as kubeadm and GKE configure them."""
UNPUBLISHED = "docs/runbooks/queue.md"
HOSTS = {"host": "loupe.example.com"}
STORE = {"objectStore": {"bundled": {"host": "files.example.com"}}}
BALANCED = {"ingress": {"enabled": True, "tls": {"atLoadBalancer": True}, **HOSTS}, **STORE}
MAPPED: dict[str, Any] = {
    "httpRoute": {
        "enabled": True,
        "timeouts": None,
        "gateway": {"create": True, "className": "gke-l7-global-external-managed", "atLoadBalancer": True},
        **HOSTS,
    },
    **STORE,
}


def everything(profile: str, **values: Any) -> list[Pod]:
    """Return the pods of an installation and of an upgrade, with hooks."""
    before = release(profile, **values)
    return [*before.pods, *upgraded(profile, *before.objects, values=values).pods]


def pod_of(chart: Release, component: str) -> Object:
    [pod] = [pod for pod in chart.pods if pod.component == component]
    return pod.spec


def requested(chart: Release, what: str, *, is_upgrade: bool = False) -> Decimal:
    """Return what all pods together request, or also those that an upgrade adds meanwhile.

    Init containers run before the others.
    """
    total = Decimal(0)
    for pod in chart.pods:
        replicas = pod.owner["spec"].get("replicas", 1)
        if is_upgrade and pod.owner["kind"] == "Deployment":
            replicas += pod.owner["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        at_once = sum(_request(one, what) for one in pod.spec["containers"])
        first = max((_request(one, what) for one in pod.spec.get("initContainers", [])), default=Decimal(0))
        total += replicas * max(at_once, first)
    return total


def _request(container: Object, what: str) -> Decimal:
    return quantity(container["resources"]["requests"][what])


@pytest.mark.parametrize("profile", PROFILES)
def test_one_value_gives_every_container_the_limits_that_a_quota_demands(profile: str) -> None:
    limits = {"cpu": "16", "ephemeral-storage": "8Gi"}

    pods = everything(profile, **{"global": {"defaultLimits": limits}})

    without = [
        f"{pod}, {one['name']}"
        for pod in pods
        for one in pod.containers
        if not limits.keys() | {"memory"} <= one["resources"]["limits"].keys()
    ]
    assert without == []


def test_a_containers_own_limit_is_kept() -> None:
    chart = release(
        DEFAULT,
        gateway={"resources": {"limits": {"cpu": "3"}}},
        **{"global": {"defaultLimits": {"cpu": "16", "memory": "1Mi"}}},
    )

    [gateway] = pod_of(chart, "gateway")["containers"]
    assert gateway["resources"]["limits"] == {"cpu": "3", "memory": "512Mi"}


@pytest.mark.parametrize("profile", PROFILES)
def test_all_pods_can_be_kept_on_some_nodes(profile: str) -> None:
    taint = {"key": "arch", "operator": "Exists"}
    names: Mapping[str, Any] = {
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.53"]},
        "hostAliases": [{"ip": "10.0.0.5", "hostnames": ["smtp.example.com"]}],
    }

    pods = everything(
        profile,
        **{"global": {"nodeSelector": {"kubernetes.io/arch": "amd64"}, "tolerations": [taint], **names}},
    )

    assert {pod.spec["nodeSelector"]["kubernetes.io/arch"] for pod in pods} == {"amd64"}
    assert [str(pod) for pod in pods if taint not in pod.spec["tolerations"]] == []
    assert [str(pod) for pod in pods if any(pod.spec.get(key) != value for key, value in names.items())] == []


@pytest.mark.parametrize("profile", PROFILES)
def test_the_platform_may_choose_the_user(profile: str) -> None:
    """OpenShift's restricted-v2 refuses pods that name a user or a group."""
    nobody = {"bundled": {"uid": None}}

    pods = everything(profile, uid=None, postgresql=nobody, nats=nobody, objectStore=nobody)

    named = {key for pod in pods for key in pod.spec["securityContext"]}
    assert named == {"runAsNonRoot", "seccompProfile"}


def test_a_user_of_the_platforms_range_is_written_as_a_number() -> None:
    chart = release(DEFAULT, uid=1000680000)

    assert pod_of(chart, "gateway")["securityContext"]["runAsUser"] == 1000680000


def test_the_smallest_installation_fits_a_machine_with_two_cores() -> None:
    chart = rendered("minimal")

    assert requested(chart, "cpu") <= LAPTOP_CORES * 3 / 4
    assert requested(chart, "memory") / MIB <= LAPTOP_MIB


def test_an_upgrade_of_the_smallest_installation_fits_there_too() -> None:
    """Otherwise its last new pod would be pending for ever."""
    assert requested(rendered("minimal"), "cpu", is_upgrade=True) <= LAPTOP_CORES * 9 / 10


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_workers_have_the_runtime_class_whatever_they_run_on(profile: str) -> None:
    chart = release(profile, inference={"runtimeClassName": "gvisor"})

    assert pod_of(chart, "inference")["runtimeClassName"] == "gvisor"


def test_the_test_of_a_release_has_its_own_nodes_authorities_and_address() -> None:
    tests = {"tolerations": [{"key": "spot", "operator": "Exists"}], "nodeSelector": {"disk": "fast"}}

    chart = release(
        DEFAULT,
        tests={**tests, "address": "loupe@example.org"},
        authorities={"existingConfigMap": "company"},
    )

    spec = pod_of(chart, "test")
    [container] = spec["containers"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert {key: spec[key] for key in tests} == tests
    assert variables["TEST_ADDRESS"] == "loupe@example.org"
    assert variables["SSL_CERT_FILE"] == "/authorities/ca.crt"
    assert {"name": "authorities", "configMap": {"name": "company"}} in spec["volumes"]


@pytest.mark.parametrize("values", [BALANCED, MAPPED], ids=["ingress", "gateway"])
def test_links_are_https_if_tls_ends_at_the_load_balancer(values: dict[str, Any]) -> None:
    chart = release(DEFAULT, **values)

    (_, container), *_ = containers_of(chart, "gateway")
    (_, images), *_ = containers_of(chart, "images")
    listeners = [one for gateway in chart.of("Gateway") for one in gateway["spec"]["listeners"]]
    assert environment(chart, container)["GATEWAY_PUBLIC_URL"] == "https://loupe.example.com"
    assert environment(chart, images)["IMAGES_S3_PUBLIC_ENDPOINT"] == "https://files.example.com"
    assert [one for one in chart.of("Ingress") if "tls" in one["spec"]] == []
    assert [(one["protocol"], one["port"]) for one in listeners if "tls" not in one] == [
        ("HTTPS", 443)
    ] * len(listeners)


@pytest.mark.parametrize(("name", "kept"), [("", True), ("nginx-internal", True), ("traefik", False)])
def test_annotations_of_nginx_are_left_out_for_other_controllers(name: str, kept: bool) -> None:
    own = {"example.com/own": "1"}
    store = {"example.com/own": "2"}
    values = BALANCED["ingress"] | {"className": name, "annotations": own, "storeAnnotations": store}

    found = {
        one["metadata"]["name"]: annotations(one)
        for one in release(DEFAULT, **BALANCED | {"ingress": values}).of("Ingress")
    }

    assert {key: one["example.com/own"] for key, one in found.items()} == {
        "loupe-gateway": "1",
        "loupe-object-store": "2",
    }
    assert {any(key.startswith("nginx.") for key in one) for one in found.values()} == {kept}


def test_routes_need_no_timeouts() -> None:
    rules = [rule for route in release(DEFAULT, **MAPPED).of("HTTPRoute") for rule in route["spec"]["rules"]]

    assert [rule for rule in rules if "timeouts" in rule] == []


def test_a_pod_may_stop_at_once() -> None:
    """Kubernetes 1.31 refuses a sleep of 0 seconds."""
    [gateway] = pod_of(release(DEFAULT, gateway={"preStopSeconds": 0}), "gateway")["containers"]

    assert "lifecycle" not in gateway


@pytest.mark.parametrize("service", ["auth", "billing", "images", "outbound"])
def test_clients_leave_a_stopping_pod_before_it_stops_serving(service: str) -> None:
    """gRPC cancels calls that reach a server after it was told to stop. It varies the age by a tenth."""
    [container] = pod_of(rendered(DEFAULT), service)["containers"]
    longest_connection = dict(rpc.SERVER_OPTIONS)["grpc.max_connection_age_ms"] / 1000 * 1.1

    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] > max(longest_connection, DNS_CACHE_SECONDS)


@pytest.mark.parametrize("given", ["", "https://wiki.example.com/loupe/"])
def test_an_alert_has_the_address_of_its_runbook_if_runbooks_are_published(given: str) -> None:
    chart = release(DEFAULT, metrics={"rules": {"enabled": True, "runbooksUrl": given}})

    alerts = [
        rule["annotations"]
        for one in chart.of("PrometheusRule")
        for group in one["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    addresses = {one.get("runbook_url", "") for one in alerts}
    assert alerts
    assert all(one.startswith(f"{given}") and not one.startswith("docs/") for one in addresses)
    assert (f"{given}queue.md" in addresses) == bool(given)
    assert given or {one["runbook"] for one in alerts} >= {UNPUBLISHED}


def test_services_and_servers_have_both_address_families() -> None:
    both = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]}
    chart = release(DEFAULT, **{"global": both})

    specs = [(one["metadata"]["name"].endswith("-metrics"), one["spec"]) for one in chart.of("Service")]
    stacks = {(is_read, one["ipFamilyPolicy"], *one["ipFamilies"]) for is_read, one in specs}
    listening = {
        one["value"]
        for pod in chart.pods
        for container in pod.spec["containers"]
        for one in container.get("env", [])
        if one["name"].endswith(("LISTEN", "_METRICS_ADDRESS"))
    }
    config = chart.find("ConfigMap", "loupe-nats-config")
    assert stacks == {(False, "PreferDualStack", "IPv6", "IPv4"), (True, "SingleStack", "IPv6")}
    assert listening == {"[::]:8000", "[::]:9000", "[::]:9090", "::", "ipv6:::"}
    assert config
    assert "0.0.0.0" not in config["data"]["nats.conf"]  # noqa: S104  as the chart writes it


def test_a_paused_release_has_no_annotation_of_a_scaler_that_is_off() -> None:
    chart = release(DEFAULT, paused=True)

    assert [one for one in chart.objects if "autoscaling.keda.sh/paused-replicas" in annotations(one)] == []


def test_with_credentials_of_the_platform_pods_have_no_keys_and_reach_whoever_gives_them() -> None:
    store = {
        "mode": "external",
        "external": {"endpoint": "https://s3.eu-central-1.amazonaws.com", "platformCredentials": True},
    }

    chart = release(DEFAULT, objectStore=store)

    names = {
        one["name"] for pod in chart.pods for container in pod.containers for one in container.get("env", [])
    }
    assert [name for name in names if name.endswith(("_S3_ACCESS_KEY", "_S3_SECRET_KEY"))] == []
    agent = Endpoint(name="agent", ip="169.254.170.23", labels={}, ports=("80",))
    found = connections(chart, [*endpoints_of(chart), agent])
    assert {source for source, target, _ in found if target == "agent"} == {"images", "inference", "test"}
