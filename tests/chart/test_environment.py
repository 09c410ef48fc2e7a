"""A service starts with the environment of its container, and knows every variable in it."""

import copy
import os
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from common.metrics import Readiness, _application
from common.settings import ServiceSettings
from loupe_local.service_names import NAMES
from tests.chart.checks.pods import PROBES
from tests.chart.environment import containers_of, environment, settings_of, unknown
from tests.chart.helm import PROFILES, rendered
from tests.chart.objects import Object

of_each_service = pytest.mark.parametrize("service", NAMES)
of_each_profile = pytest.mark.parametrize("profile", PROFILES)


def started(service: str, variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    for name in os.environ:
        if name.upper().startswith(f"{service.upper()}_"):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return settings_of(service)()


def container_of(profile: str, service: str) -> Object:
    (_, container), *others = containers_of(rendered(profile), service)
    assert not others
    return container


def port_of(listen: str) -> int:
    return int(listen.rpartition(":")[2])


def numbers(container: Object) -> dict[str | int, int]:
    ports = container["ports"]
    return {known: one["containerPort"] for one in ports for known in (one["name"], one["containerPort"])}


def answered(path: str, readiness: Readiness) -> bytes:
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET", "QUERY_STRING": ""}
    return b"".join(_application(readiness)(environ, lambda *_: None))


@of_each_service
@of_each_profile
def test_a_service_accepts_its_environment(
    profile: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = environment(rendered(profile), container_of(profile, service))

    settings = started(service, variables, monkeypatch)

    own = {name for name in variables if name.startswith(f"{service.upper()}_")}
    assert len(own) >= 4
    assert {f"{service}_{name}".upper() for name in settings.model_fields_set} == own


@of_each_profile
def test_every_variable_is_read_by_something(profile: str) -> None:
    containers = [(str(pod), one) for pod in rendered(profile).pods for one in pod.containers]
    own = [(where, one) for where, one in containers if "/loupe" in one["image"] or one["name"] in NAMES]

    assert own
    assert {where: unknown(one) for where, one in own if unknown(one)} == {}


@of_each_service
@of_each_profile
def test_a_service_listens_on_the_ports_that_its_container_declares(
    profile: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = container_of(profile, service)

    settings: Any = started(service, environment(rendered(profile), container), monkeypatch)

    listening = [settings.metrics_listen, *([settings.listen] if hasattr(settings, "listen") else [])]
    assert {one["containerPort"] for one in container["ports"]} == {port_of(one) for one in listening}


@of_each_service
@of_each_profile
def test_probes_use_ports_and_paths_that_the_service_answers(
    profile: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = container_of(profile, service)
    settings: Any = started(service, environment(rendered(profile), container), monkeypatch)

    probes = {name: container[name] for name in PROBES}

    for probe in probes.values():
        if "grpc" in probe:
            assert probe["grpc"] == {"port": port_of(settings.listen)}
        else:
            assert numbers(container)[probe["httpGet"]["port"]] == port_of(settings.metrics_listen)
            assert probe["httpGet"]["path"] in ("/healthz", "/readyz")
    assert probes["livenessProbe"].get("httpGet", {}).get("path") == "/healthz"


def test_liveness_does_not_depend_on_other_servers() -> None:
    waiting = Readiness("broker")

    assert answered("/healthz", waiting) == b"ok"
    assert answered("/readyz", waiting) == b"waiting for broker"
    assert b"# HELP" in answered("/metrics", waiting)


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ({"name": "AUTH_SECRET", "value": "short"}, "at least 32"),
        ({"name": "AUTH_CLIENTS", "value": "gateway=secret"}, "clients"),
        ({"name": "AUTH_HASHING_THREADS", "value": "1e+06x"}, "valid integer"),
        ({"name": "AUTH_PUBLIC_URL", "value": "loupe.example.com"}, "should match pattern"),
    ],
)
def test_an_environment_that_a_service_refuses_is_found(
    variable: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = copy.deepcopy(container_of(PROFILES[0], "auth"))
    container["env"] = [*container["env"], variable]

    with pytest.raises((ValidationError, ValueError), match=message):
        started("auth", environment(rendered(PROFILES[0]), container), monkeypatch)


@pytest.mark.parametrize(
    "name", ["AUTH_DATABSE_URL", "AUHT_SECRET", "BILLING_AUTH_TARGETS", "DATABASE_PASSWD"]
)
def test_a_variable_that_no_program_reads_is_found(name: str) -> None:
    container = copy.deepcopy(container_of(PROFILES[0], "auth"))
    container["env"].append({"name": name, "value": "1"})

    assert unknown(container) == [name]
