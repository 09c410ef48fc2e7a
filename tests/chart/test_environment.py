"""A service starts with what its container tells it, and is told nothing that it does not know."""

import copy
import os
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from common.metrics import Readiness, _application
from common.settings import ServiceSettings
from tests.chart.checks.pods import PROBES
from tests.chart.environment import SERVICES, containers_of, environment, settings_of, unknown
from tests.chart.helm import PROFILES, rendered
from tests.chart.objects import Object

of_each_service = pytest.mark.parametrize("service", SERVICES)
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
def test_a_service_takes_its_environment(profile: str, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = environment(rendered(profile), container_of(profile, service))

    settings = started(service, variables, monkeypatch)

    told = {name for name in variables if name.startswith(f"{service.upper()}_")}
    assert len(told) >= 4
    assert {f"{service}_{name}".upper() for name in settings.model_fields_set} == told


@of_each_profile
def test_every_variable_is_known_to_somebody(profile: str) -> None:
    containers = [(str(pod), one) for pod in rendered(profile).pods for one in pod.containers]
    own = [(where, one) for where, one in containers if "/loupe" in one["image"] or one["name"] in SERVICES]

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
def test_probes_ask_what_a_service_answers(
    profile: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = container_of(profile, service)
    settings: Any = started(service, environment(rendered(profile), container), monkeypatch)

    asked = {name: container[name] for name in PROBES}

    for probe in asked.values():
        if "grpc" in probe:
            assert probe["grpc"] == {"port": port_of(settings.listen)}
        else:
            assert numbers(container)[probe["httpGet"]["port"]] == port_of(settings.metrics_listen)
            assert probe["httpGet"]["path"] in ("/healthz", "/readyz")
    assert asked["livenessProbe"].get("httpGet", {}).get("path") == "/healthz"


def test_liveness_asks_for_nothing_that_others_could_take_away() -> None:
    waiting = Readiness("broker")

    assert answered("/healthz", waiting) == b"ok"
    assert answered("/readyz", waiting) == b"waiting for broker"
    assert b"# HELP" in answered("/metrics", waiting)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ({"name": "AUTH_SECRET", "value": "short"}, "at least 32"),
        ({"name": "AUTH_CLIENTS", "value": "gateway=secret"}, "clients"),
        ({"name": "AUTH_HASHING_THREADS", "value": "1e+06x"}, "valid integer"),
        ({"name": "AUTH_PUBLIC_URL", "value": "loupe.example.com"}, "should match pattern"),
    ],
)
def test_an_environment_that_a_service_does_not_take_is_found(
    variable: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = copy.deepcopy(container_of(PROFILES[0], "auth"))
    container["env"] = [*container["env"], variable]

    with pytest.raises((ValidationError, ValueError), match=words):
        started("auth", environment(rendered(PROFILES[0]), container), monkeypatch)


@pytest.mark.parametrize(
    "name", ["AUTH_DATABSE_URL", "AUHT_SECRET", "BILLING_AUTH_TARGETS", "DATABASE_PASSWD"]
)
def test_a_variable_that_nobody_reads_is_found(name: str) -> None:
    container = copy.deepcopy(container_of(PROFILES[0], "auth"))
    container["env"].append({"name": name, "value": "1"})

    assert unknown(container) == [name]
