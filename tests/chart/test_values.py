"""values.yaml, values.schema.json and the README list the same values, and no other value is accepted."""

import re
from typing import Any

import jsonschema_rs
import pytest
from pydantic import SecretStr

from loupe_local.service_names import NAMES
from tests.chart import schema
from tests.chart.environment import containers_of, environment, settings_of
from tests.chart.helm import DEFAULT, PROFILES, load_all, release, rendered, template, values_of
from tests.chart.objects import Object, found

MONITORING = ("ServiceMonitor", "PrometheusRule")
SET_BY_THE_CHART = {"metrics_listen", "listen", "log_level", "console_folder"}
"""The chart sets the ports and one log level for all services. The console is a matter of the image."""
OPTIONAL = {
    "nats_credentials_file",
    "nats_certificate",
    "nats_key",
    "triton_secret",
    "smtp_user",
    "smtp_password",
    "smtp_host",
    "smtp_port_number",
    "smtp_starttls",
    "mail_from",
    "plans_file",
}
"""Settings that the chart sets only together with other values."""


def settings_in_schema(service: str) -> set[str]:
    part = schema.schema()["properties"][service]["properties"]["settings"]
    return set(part["properties"])


def variables(service: str, **values: Any) -> dict[str, str]:
    chart = release(DEFAULT, **values)
    (_, container), *_ = containers_of(chart, service)
    return environment(chart, container)


def test_the_schema_is_valid() -> None:
    described = schema.schema()

    assert described["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert jsonschema_rs.meta.is_valid(described)


def test_every_object_of_the_schema_is_closed() -> None:
    open_ones = [
        one for one in schema.objects(schema.schema()) if one.get("additionalProperties") is not False
    ]

    assert open_ones == []


def test_the_schema_and_the_values_have_the_same_keys() -> None:
    described, present = schema.described(), schema.present()

    assert len(present) > 100
    assert sorted(described - present) == []
    assert sorted(present - described) == []


def test_the_readme_lists_every_value_once() -> None:
    assert sorted(schema.described() - schema.in_readme()) == []
    assert sorted(schema.in_readme() - schema.described()) == []


@pytest.mark.parametrize("profile", PROFILES)
def test_the_schema_accepts_the_default_values_and_the_profiles(profile: str) -> None:
    assert list(jsonschema_rs.validator_for(schema.schema()).iter_errors(rendered(profile).values)) == []


@pytest.mark.parametrize("service", NAMES)
def test_settings_in_the_schema_are_those_of_the_service_that_the_chart_does_not_set(service: str) -> None:
    known = set(settings_of(service).model_fields)
    prefix = f"{service.upper()}_"
    by_chart = {
        name.removeprefix(prefix).lower()
        for profile in PROFILES
        for name in (
            one["name"]
            for _, container in containers_of(rendered(profile), service)
            for one in container["env"]
        )
        if name.startswith(prefix)
        and name.removeprefix(prefix).lower() not in rendered(profile).values[service]["settings"]
    }

    assert settings_in_schema(service) & by_chart == set()
    assert settings_in_schema(service) | by_chart | SET_BY_THE_CHART | OPTIONAL >= known
    assert settings_in_schema(service) <= known


def as_text(value: Any) -> Any:
    """Return a setting as an operator writes it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple | list) else value


@pytest.mark.parametrize("service", NAMES)
def test_every_setting_reaches_its_service_unchanged(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm stores numbers as floats: 268435456 must not become 2.68435456e+08."""
    fields = settings_of(service).model_fields
    written = {
        name: fields[name].get_default(call_default_factory=True) for name in settings_in_schema(service)
    }
    given = {name: as_text(one) for name, one in written.items()}

    for name, value in variables(service, **{service: {"settings": given}}).items():
        monkeypatch.setenv(name, value)
    settings = settings_of(service)()

    assert settings.model_dump(include=set(written)) == written
    assert set(written) <= settings.model_fields_set


def test_additions_to_a_pod_are_rendered() -> None:
    added: dict[str, Any] = {
        "podLabels": {"team": "imaging"},
        "podAnnotations": {"example.com/note": "yes"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "extraEnv": [{"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "a=b"}],
        "extraEnvFrom": [{"secretRef": {"name": "more"}}],
        "extraVolumes": [{"name": "more", "configMap": {"name": "more"}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        "extraContainers": [{"name": "beside", "image": "beside:1"}],
        "extraInitContainers": [{"name": "before", "image": "before:1"}],
        "priorityClassName": "high",
        "serviceAccountName": "given",
    }

    chart = release(DEFAULT, **dict.fromkeys(NAMES, added))

    for service in NAMES:
        (pod, container), *_ = containers_of(chart, service)
        annotations = pod.template["metadata"]["annotations"]
        assert pod.labels["team"] == "imaging"
        assert annotations["example.com/note"] == "yes"
        assert {key: pod.spec[key] for key in ("nodeSelector", "tolerations", "affinity")} == {
            key: added[key] for key in ("nodeSelector", "tolerations", "affinity")
        }
        assert added["extraEnv"][0] in container["env"]
        assert container["envFrom"] == added["extraEnvFrom"]
        assert added["extraVolumes"][0] in pod.spec["volumes"]
        assert added["extraVolumeMounts"][0] in container["volumeMounts"]
        assert {"beside", "before"} <= {one["name"] for one in pod.containers}
        assert pod.spec["priorityClassName"] == "high"
        assert pod.spec["serviceAccountName"] == "given"
        assert chart.find("ServiceAccount", f"loupe-{service}") is None


def test_one_registry_can_serve_every_image() -> None:
    objects = release(DEFAULT, **{"global": {"imageRegistry": "mirror.example.com"}})

    images = {one["image"] for pod in objects.pods for one in pod.containers}

    assert len(images) >= 8
    assert [image for image in images if not image.startswith("mirror.example.com/")] == []


def test_common_labels_and_annotations_are_on_all_objects() -> None:
    chart = release(DEFAULT, commonLabels={"team": "imaging"}, commonAnnotations={"example.com/note": "yes"})

    for one in chart.objects:
        assert one["metadata"]["labels"]["team"] == "imaging"
        assert one["metadata"]["annotations"]["example.com/note"] == "yes"


def test_an_extra_object_may_use_the_charts_templates() -> None:
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-own"}}

    objects = load_all(template(*values_of(DEFAULT), values={"extraObjects": [own]}))

    assert "loupe-own" in [one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"]


def test_labels_of_metrics_stay_labels_beside_annotations() -> None:
    given = {"labels": {"release": "prometheus"}}
    chart = release(
        DEFAULT,
        commonAnnotations={"example.com/note": "yes"},
        metrics={
            "serviceMonitor": {"enabled": True, **given},
            "rules": {"enabled": True, **given},
            "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Loupe"}},
        },
    )

    dashboards = [one for one in chart.of("ConfigMap") if "-dashboard-" in one["metadata"]["name"]]
    metrics = [one for one in chart.of("Service") if one["metadata"]["name"].endswith("-metrics")]

    assert {one["metadata"]["labels"].get("release") for one in chart.of(*MONITORING)} == {"prometheus"}
    assert {one["metadata"]["labels"].get("grafana_dashboard") for one in dashboards} == {"1"}
    assert {one["metadata"]["labels"].get("loupe/metrics") for one in metrics} == {"yes"}


def test_a_pod_label_overrides_a_common_label() -> None:
    text = template(
        values={"commonLabels": {"team": "platform"}, "gateway": {"podLabels": {"team": "imaging"}}}
    )

    teams = [team for one in load_all(text) for team in _teams_of_pods(one)]

    assert re.search(r"^( *)team: .*\n\1team: ", text, re.MULTILINE) is None
    assert teams.count("imaging") == 1
    assert "platform" in teams


def test_settings_of_postgresql_are_rendered_unchanged() -> None:
    settings = {"work_mem": 10485760, "log_line_prefix": "%m [%p]: ", "search_path": "a, b #c"}

    database = release(DEFAULT, postgresql={"bundled": {"settings": settings}}).of("StatefulSet")

    (args,) = [one["args"] for pod in database for one in _containers(pod) if one["name"] == "postgresql"]
    assert {f"{name}={value}" for name, value in settings.items()} <= set(args)


def test_a_priority_is_an_integer_however_high() -> None:
    chart = release(DEFAULT, priorityClasses=[{"name": "high", "value": 1000000000}])

    assert [one["value"] for one in chart.of("PriorityClass")] == [1000000000]


def test_every_client_that_checks_certificates_gets_the_authorities() -> None:
    chart = rendered("external")

    for pod in chart.pods:
        for container in pod.containers:
            names = {one["name"]: one.get("value") for one in container.get("env", [])}
            if not any(name.endswith(("_NATS_URL", "_DATABASE_URL")) for name in names):
                continue
            mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
            volumes = {one["name"]: one for one in pod.spec["volumes"]}
            assert names["SSL_CERT_FILE"] == f"{mounts['authorities']}/bundle.pem"
            assert volumes["authorities"]["configMap"] == {"name": "company-authorities"}


def test_without_authorities_an_external_database_is_checked_with_those_of_the_image() -> None:
    chart = release("external", authorities={"existingConfigMap": ""})

    named = {
        one["value"]
        for pod in chart.pods
        for container in pod.containers
        for one in container.get("env", [])
        if one["name"] == "SSL_CERT_FILE"
    }

    assert named == {"/etc/ssl/certs/ca-certificates.crt"}


def test_the_operators_pod_can_be_assigned_to_nodes() -> None:
    given = {"nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "spot", "operator": "Exists"}]}

    (pod,) = [one for one in release(DEFAULT, operator=given).pods if one.component == "operator"]

    assert {key: pod.spec[key] for key in given} == given


def _containers(one: Object) -> list[Object]:
    return one["spec"]["template"]["spec"]["containers"]


def _teams_of_pods(one: Object) -> list[str]:
    return [labels["team"] for labels in found(one.get("spec", {}).get("template", {}), "labels")]


SHA = f"sha256:{'5' * 64}"


@pytest.mark.parametrize(
    ("given", "image"),
    [
        ({"tag": "2.15.0"}, "docker.io/library/nats:2.15.0"),
        ({"tag": f"2.15.0@{SHA}"}, f"docker.io/library/nats:2.15.0@{SHA}"),
        ({"tag": "2.15.0", "digest": SHA}, f"docker.io/library/nats:2.15.0@{SHA}"),
        ({"digest": SHA}, rf"docker.io/library/nats:[\w.-]+@{SHA}"),
        ({}, r"docker.io/library/nats:[\w.-]+@sha256:[0-9a-f]{64}"),
    ],
    ids=["tag", "tag with digest", "both", "digest", "default"],
)
def test_another_tag_replaces_the_default_digest_too(given: dict[str, str], image: str) -> None:
    chart = release(DEFAULT, nats={"bundled": {"image": given}})

    [found_image] = {
        str(one)
        for stateful in chart.of("StatefulSet")
        for one in found(stateful, "image")
        if "/nats:" in one
    }

    assert re.fullmatch(image, found_image)
