"""Every object of every profile is valid in every version of Kubernetes that the chart supports."""

import copy
from typing import Any

import kubernetes_validate
import pytest

from tests.chart.helm import PROFILES, load, rendered
from tests.chart.kubernetes import CUSTOM, VERSIONS, problems
from tests.chart.objects import Object
from tests.chart.planted_defects import CONTAINER, REMOVED, WEB, correct_release, plant_defect


def of(kind: str, **spec: Any) -> Object:
    """Return an object of a custom kind."""
    definitions = (load(path.read_text()) for path in CUSTOM.glob("*.yaml"))
    version = next(one["apiVersion"] for one in definitions if one["kind"] == kind)
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "one"}, "spec": spec}


SCALED = of("ScaledObject", scaleTargetRef={"name": "web"}, triggers=[{"type": "cpu", "metadata": {}}])
MONITOR = of("ServiceMonitor", selector={}, endpoints=[{"port": "metrics", "interval": "30s"}])
RULES = of("PrometheusRule", groups=[{"name": "web", "rules": [{"alert": "Down", "expr": "up == 0"}]}])
ROUTE = of(
    "HTTPRoute", parentRefs=[{"name": "public"}], rules=[{"backendRefs": [{"name": "web", "port": 80}]}]
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("profile", PROFILES)
def test_kubernetes_accepts_every_object(profile: str, version: str) -> None:
    release = rendered(profile)

    assert release.objects
    assert [problem for one in release.objects for problem in problems(one, version)] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_correct_release_is_valid(version: str) -> None:
    objects = (*correct_release().objects, SCALED, MONITOR, RULES, ROUTE)

    assert [problem for one in objects for problem in problems(one, version)] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_validate_comes_to_the_same_result(version: str) -> None:
    for one in correct_release().of("Deployment", "StatefulSet", "Job", "HorizontalPodAutoscaler"):
        assert kubernetes_validate.validate(one, version, strict=True) == version
    broken = plant_defect(WEB, f"{CONTAINER}.comand", ["web"]).find("Deployment", "web")

    assert broken
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)
    assert list(problems(broken, version))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (f"{CONTAINER}.comand", ["web"], "'comand' was unexpected"),
        (f"{CONTAINER}.ports.0.containerPort", "8000", "is not of type"),
        ("spec.selector", REMOVED, '"selector" is a required property'),
        ("spec.template.spec.volumes", None, "spec.template.spec.volumes: nothing stands there"),
        ("apiVersion", "extensions/v1beta1", "knows no Deployment of extensions/v1beta1"),
        ("kind", "Deploiment", "knows no Deploiment"),
        ("metadata.label", {}, "'label' was unexpected"),
    ],
)
def test_a_field_that_kubernetes_does_not_know_is_found(path: str, value: Any, message: str) -> None:
    changed = plant_defect(WEB, path, value).objects

    found = [problem for one in changed for problem in problems(one, VERSIONS[0])]

    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(
    ("correct", "path", "value", "message"),
    [
        (SCALED, ("scaleTargetRef", "nam"), "web", "'nam' was unexpected"),
        (SCALED, ("minReplicaCount",), "0", 'is not of type "integer"'),
        (SCALED, ("advanced",), {"horizontalPodAutoscaler": {}}, "was unexpected"),
        (MONITOR, ("endpoints",), [{"port": "metrics", "every": "30s"}], "'every' was unexpected"),
        (MONITOR, ("endpoints",), [{"port": "metrics", "interval": "often"}], "does not match"),
        (
            RULES,
            ("groups",),
            [{"name": "web", "rules": [{"alert": "Down"}]}],
            '"expr" is a required property',
        ),
        (ROUTE, ("hostnames",), ["Web.example.com"], "does not match"),
        (ROUTE, ("rules",), [{"backendRefs": [{"port": 80}]}], '"name" is a required property'),
    ],
)
def test_a_field_that_a_custom_kind_does_not_know_is_found(
    correct: Object, path: tuple[str, ...], value: Any, message: str
) -> None:
    changed = copy.deepcopy(correct)
    inner = changed["spec"]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value

    assert message in " ".join(problems(changed, VERSIONS[0]))
