"""The chart renders what an operator adds to a workload or changes. All tests look at one rendering."""

import functools
from typing import Any

import pytest

from loupe_local.service_names import NAMES
from tests.chart.checks.all import CHECKS
from tests.chart.helm import release
from tests.chart.kubernetes import VERSIONS, problems
from tests.chart.objects import Object, Pod, Release

STORES = {"postgresql": "postgresql", "nats": "nats", "objectStore": "object-store"}
ALL = (*NAMES, *STORES.values(), "operator")
PLACES: dict[str, Any] = {
    "priorityClassName": "high",
    "affinity": {"nodeAffinity": {}},
    "dnsPolicy": "Default",
    "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
    "hostAliases": [{"ip": "10.0.0.5", "hostnames": ["own.example.com"]}],
    "topologySpreadConstraints": [
        {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
    ],
}
RESOURCES = {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "1Mi"}}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
BESIDE = {"image": "beside:1", "resources": RESOURCES, "securityContext": RESTRICTED}
ADDED: dict[str, Any] = {
    **PLACES,
    "extraEnv": [{"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "a=b"}],
    "extraVolumes": [{"name": "more", "emptyDir": {"sizeLimit": "1Mi"}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
}
OF_PODS: dict[str, Any] = {
    **ADDED,
    "extraEnvFrom": [{"configMapRef": {"name": "given"}}],
    "extraContainers": [{"name": "beside", **BESIDE}],
    "extraInitContainers": [
        {"name": "before", **BESIDE},
        {"name": "proxy", "restartPolicy": "Always", **BESIDE},
    ],
}
PROBED = {
    "probes": {
        "startup": {"failureThreshold": 1000},
        "liveness": {"periodSeconds": 33, "exec": {"command": ["true"]}},
    }
}
BUDGET = {"disruptionBudget": {"minAvailable": "50%"}}
BEHAVIOR = {"scaleUp": {"stabilizationWindowSeconds": 7}}
SCALED = {"autoscaling": {"enabled": True, "behavior": BEHAVIOR}}
ALIAS = {"ip": "10.0.0.9", "hostnames": ["all.example.com"]}


@functools.cache
def chart() -> Release:
    store = {"bundled": OF_PODS | PROBED}
    keda = {"enabled": True, "trigger": "consumer-lag", "behavior": BEHAVIOR}
    return release(
        "default",
        **{
            **{name: OF_PODS | PROBED | BUDGET | SCALED for name in NAMES if name != "inference"},
            "inference": OF_PODS
            | PROBED
            | {"keda": keda, "triton": {**PROBED, "extraVolumeMounts": ADDED["extraVolumeMounts"]}},
            **dict.fromkeys(STORES, store),
            "nats": {"bundled": store["bundled"] | {"disruptionBudget": {"enabled": False}}},
            "operator": OF_PODS,
            "tests": {key: value for key, value in ADDED.items() if key != "topologySpreadConstraints"},
            "migrations": {
                "extraEnv": [{"name": "PYTHONWARNINGS", "value": "ignore"}],
                "extraVolumes": [{"name": "for-migrations", "emptyDir": {"sizeLimit": "1Mi"}}],
                "extraVolumeMounts": [{"name": "for-migrations", "mountPath": "/for-migrations"}],
            },
            "priorityClasses": [{"name": "high", "value": 1}],
            "global": {
                "hostAliases": [ALIAS],
                "podSecurityContext": {"supplementalGroups": [5000]},
                "containerSecurityContext": {"seLinuxOptions": {"level": "s0:c1"}},
            },
        },
    )


def pod_of(component: str) -> Pod:
    [pod] = [pod for pod in chart().pods if pod.component == component]
    return pod


def main_container(component: str) -> Object:
    return next(one for one in pod_of(component).spec["containers"] if one["name"] == component)


def test_kubernetes_accepts_the_additions() -> None:
    assert [problem for one in chart().objects for problem in problems(one, VERSIONS[-1])] == []


def test_the_checks_find_nothing_but_what_was_added() -> None:
    ours = [check for check in CHECKS if check.__name__ not in ("references_exist", "nothing_is_unused")]

    found = [problem for check in ours for problem in check(chart())]

    assert [
        one for one in found if not one.endswith(("beside", "before", "proxy")) and "livenessProbe" not in one
    ] == []


@pytest.mark.parametrize("component", ALL)
def test_a_workload_has_its_own_place_and_names(component: str) -> None:
    spec = pod_of(component).spec

    found = {key: spec[key] for key in PLACES}
    assert found == PLACES | {"hostAliases": [*PLACES["hostAliases"], ALIAS]}


def test_the_test_has_its_own_place_and_additions() -> None:
    spec = pod_of("test").spec
    [container] = spec["containers"]

    assert {key: spec[key] for key in ("affinity", "dnsPolicy", "dnsConfig")} == {
        key: PLACES[key] for key in ("affinity", "dnsPolicy", "dnsConfig")
    }
    assert ADDED["extraEnv"][0] in container["env"]
    assert ADDED["extraVolumeMounts"][0] in container["volumeMounts"]
    assert ADDED["extraVolumes"][0] in spec["volumes"]


@pytest.mark.parametrize("component", ALL)
def test_a_workload_has_what_was_added(component: str) -> None:
    pod, container = pod_of(component), main_container(component)

    started = [one["name"] for one in pod.spec["initContainers"]]
    assert ADDED["extraEnv"][0] in container["env"]
    assert ADDED["extraVolumeMounts"][0] in container["volumeMounts"]
    assert ADDED["extraVolumes"][0] in pod.spec["volumes"]
    assert container["envFrom"] == OF_PODS["extraEnvFrom"]
    assert OF_PODS["extraContainers"][0] in pod.spec["containers"]
    assert {"before", "proxy"} <= set(started)


@pytest.mark.parametrize("component", [name for name in ALL if name != "operator"])
def test_probes_are_changed_and_keep_what_is_not_named(component: str) -> None:
    container = main_container(component)

    assert container["startupProbe"]["failureThreshold"] == 1000
    assert container["startupProbe"]["periodSeconds"] < 10
    assert {key: container["livenessProbe"][key] for key in ("periodSeconds", "exec")} == {
        "periodSeconds": 33,
        "exec": {"command": ["true"]},
    }
    assert container["livenessProbe"].keys() & {"httpGet", "grpc"} == set()
    assert "readinessProbe" in container


def test_the_probes_of_triton_are_changed() -> None:
    triton = next(one for one in pod_of("inference").spec["containers"] if one["name"] == "triton")

    assert triton["startupProbe"]["failureThreshold"] == 1000
    assert triton["startupProbe"]["httpGet"]["path"] == "/metrics"
    assert triton["livenessProbe"]["exec"] == {"command": ["true"]}
    assert ADDED["extraVolumeMounts"][0] in triton["volumeMounts"]


def test_scalers_and_budgets_are_changed() -> None:
    budgets = {one["metadata"]["name"]: one["spec"] for one in chart().of("PodDisruptionBudget")}
    scalers = [one["spec"]["behavior"] for one in chart().of("HorizontalPodAutoscaler")]
    [keda] = chart().of("ScaledObject")

    services = {name for name in NAMES if name != "inference"}
    assert {name: budgets[f"loupe-{name}"].get("minAvailable") for name in services} == dict.fromkeys(
        services, "50%"
    )
    assert "maxUnavailable" not in budgets["loupe-gateway"]
    assert "loupe-nats" not in budgets
    assert scalers == [BEHAVIOR] * len(services)
    assert keda["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == BEHAVIOR


def test_pods_that_migrate_have_what_is_added_for_migrations() -> None:
    for name in ("auth", "billing", "images", "outbound"):
        pod = pod_of(name)
        schema = next(one for one in pod.containers if one["name"] == "schema")
        assert {"name": "PYTHONWARNINGS", "value": "ignore"} in schema["env"]
        assert {"name": "for-migrations", "mountPath": "/for-migrations"} in schema["volumeMounts"]
        assert "for-migrations" in {one["name"] for one in pod.spec["volumes"]}


def test_every_pod_has_the_additional_security_context() -> None:
    own = [one for pod in chart().pods for one in pod.containers if one["image"] != "beside:1"]

    assert {tuple(pod.spec["securityContext"]["supplementalGroups"]) for pod in chart().pods} == {(5000,)}
    assert [
        one["name"] for one in own if one["securityContext"]["seLinuxOptions"] != {"level": "s0:c1"}
    ] == []
    assert [one["name"] for one in own if one["securityContext"]["readOnlyRootFilesystem"] is not True] == []
