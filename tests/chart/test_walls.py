"""By default each server accepts only what its clients need, and secrets are only where they are used."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from loupe_local.nats_permissions import TABLE, permissions
from tests.chart.helm import DEFAULT, PROFILES, release, rendered
from tests.chart.objects import Object, Release

USER = re.compile(r'\{ user: "([^"]+)", password: \$(\w+)_PASSWORD(?:, permissions: (.*))? \}$', re.MULTILINE)
PREVIOUS = ["_INBOX.*", "_INBOX.*.*"]
"""The subjects on which replicas of the previous release receive answers."""
RESTRICTED = "metadata,inference,shared-memory,model-config,model-repository,statistics,trace,logging"


def users(chart: Release) -> dict[str, tuple[str, Any]]:
    """Return the name and the permissions of each service's user at the broker in the cluster."""
    config = chart.find("ConfigMap", "loupe-nats-config")
    assert config
    found = USER.findall(config["data"]["nats.conf"])
    return {
        service.lower(): (user, json.loads(rights) if rights else None) for user, service, rights in found
    }


def container(profile: str, component: str, name: str) -> Object:
    [pod] = [pod for pod in rendered(profile).pods if pod.component == component]
    [found] = [one for one in pod.containers if one["name"] == name]
    return found


@pytest.mark.parametrize("profile", [one for one in PROFILES if one != "external"])
def test_each_user_of_the_broker_has_the_permissions_of_its_service(profile: str) -> None:
    found = users(rendered(profile))

    assert found.keys() == TABLE.keys()
    for service, (user, rights) in found.items():
        wanted = permissions(service, user)
        wanted["subscribe"]["allow"] = PREVIOUS + wanted["subscribe"]["allow"]
        assert rights == wanted


def test_a_user_with_another_name_hears_the_answers_to_that_name() -> None:
    found = users(release(DEFAULT, nats={"users": {"images": "shop.images"}}))

    user, rights = found["images"]
    assert user == "shop.images"
    assert "_INBOX.service.shop_images.>" in rights["subscribe"]["allow"]
    assert "_INBOX.service.images.>" not in rights["subscribe"]["allow"]


def test_the_values_replace_the_permissions_of_one_service() -> None:
    found = users(
        release(DEFAULT, nats={"bundled": {"permissions": {"auth": {"publish": ["x"]}, "images": {}}}})
    )

    assert (found["auth"][1], found["images"][1]) == ({"publish": ["x"]}, None)
    assert found["gateway"][1]["publish"]["allow"][0] == "limits.>"


@pytest.mark.parametrize("profile", PROFILES)
def test_only_the_worker_and_triton_have_the_secret_of_triton(profile: str) -> None:
    mounts = {
        (pod.component, one["name"])
        for pod in rendered(profile).pods
        for one in pod.containers
        for mount in one.get("volumeMounts", [])
        if mount["name"] == "triton-secret"
    }
    [pod] = [pod for pod in rendered(profile).pods if pod.component == "inference"]
    [volume] = [one for one in pod.spec["volumes"] if one["name"] == "triton-secret"]

    assert mounts == {("inference", name) for name in ("inference", "triton", "triton-secret")}
    assert volume["emptyDir"]["medium"] == "Memory"


@pytest.mark.parametrize("profile", PROFILES)
def test_triton_publishes_its_metrics_only(profile: str) -> None:
    triton = container(profile, "inference", "triton")
    variables = {one["name"]: one.get("value") for one in triton["env"]}

    assert [port["containerPort"] for port in triton["ports"]] == [8002]
    assert (
        variables.get("LOUPE_TRITON_ADDRESS") == "127.0.0.1" or "--grpc-address=127.0.0.1" in triton["args"]
    )


def test_triton_on_a_gpu_starts_only_with_a_secret_and_restricts_all_but_health(tmp_path: Path) -> None:
    triton = container("gpu", "inference", "triton")
    program, secret = tmp_path / "tritonserver", tmp_path / "secret"
    program.write_text('#!/bin/sh\nfor each; do echo "$each"; done\n')
    program.chmod(0o700)
    argv = [*triton["command"], *triton["args"]]
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOUPE_TRITON_SECRET_FILE": str(secret)}

    without = subprocess.run(argv, env=env, capture_output=True, check=False)
    secret.write_text("")
    empty = subprocess.run(argv, env=env, capture_output=True, check=False)
    secret.write_text("sesame")
    output = subprocess.run(argv, env=env, capture_output=True, check=True, text=True).stdout.splitlines()

    assert (without.returncode, without.stdout, empty.returncode, empty.stdout) == (1, b"", 1, b"")
    assert output[0] == "--model-repository=/repository"
    assert output[-2:] == [
        f"--grpc-restricted-protocol={RESTRICTED}:loupe-secret=sesame",
        f"--http-restricted-api={RESTRICTED}:loupe-secret=sesame",
    ]


def test_the_certificate_of_the_object_store_is_only_in_its_pods_memory() -> None:
    mounts = {
        (pod.component, one["name"])
        for pod in rendered(DEFAULT).pods
        for one in pod.containers
        for mount in one.get("volumeMounts", [])
        if mount["name"] == "certificates"
    }
    [pod] = [pod for pod in rendered(DEFAULT).pods if pod.component == "object-store"]
    [volume] = [one for one in pod.spec["volumes"] if one["name"] == "certificates"]

    assert mounts == {("object-store", "certificate"), ("object-store", "object-store")}
    assert volume["emptyDir"]["medium"] == "Memory"


def test_a_secret_of_the_previous_release_serves_auth_too() -> None:
    """An existing Secret may lack the keys that are new, and those that only a rotation has."""
    auth = container(DEFAULT, "auth", "auth")
    sources = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in auth["env"] if "valueFrom" in one}
    secret = rendered(DEFAULT).find("Secret", "loupe-auth-credentials")

    optional = {name: source["key"] for name, source in sources.items() if source.get("optional")}
    assert optional == {
        "AUTH_LINK_SECRET": "links",
        "AUTH_PREVIOUS_SECRET": "previous-secret",
        "AUTH_PREVIOUS_LINK_SECRET": "previous-links",
    }
    assert secret
    assert secret["data"]["links"] != secret["data"]["secret"]
