"""The Compose file: services get their settings, only two ports are open, and no secret has a default."""

import importlib
import json
import re
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.settings import ServiceSettings
from loupe_local import object_store
from loupe_local.nats_permissions import permissions
from loupe_local.service_names import NAMES, WITH_DATABASE
from loupe_local.state import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "compose"
FILE = FOLDER / "compose.yaml"
SETTINGS: Mapping[str, type[ServiceSettings]] = {
    name: importlib.import_module(f"{name}.settings").Settings for name in NAMES
}

FIXED = {
    *("listen", "metrics_listen", "nats_replicas", "s3_bucket", "s3_region", "shared_memory"),
    *("tls_authority", "tls_certificate", "tls_key", "plans_file", "triton_secret_file"),
    *("nats_certificate", "nats_key", "nats_credentials_file"),
}
"""The file itself decides these: ports, one server of each kind, no file of the machine in a container."""


def compose() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(FILE.read_text())["services"]


def environment(service: str) -> dict[str, str]:
    """Return the service's environment if nothing is set but secrets, each of which is some text."""
    given = {name: value for name, value in compose()[service]["environment"].items() if value is not None}
    text = yaml.safe_dump(given, width=10_000)
    text = re.sub(r"\$\{\w+:\?[^}]*\}", "k" * 40, text)
    while re.search(r"\$\{\w+:-[^${}]*\}", text):
        text = re.sub(r"\$\{\w+:-([^${}]*)\}", r"\1", text)
    return {name: str(value) for name, value in yaml.safe_load(text).items()}


@pytest.mark.parametrize("service", NAMES)
def test_a_service_accepts_its_environment(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = environment(service)
    prefix = f"{service.upper()}_"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    SETTINGS[service]()

    known = {f"{prefix}{field}".upper() for field in SETTINGS[service].model_fields}
    assert set(variables) <= known


@pytest.mark.parametrize("service", NAMES)
def test_every_setting_can_be_set(service: str) -> None:
    """One without a value is passed on as it is set in `.env`."""
    variables = set(compose()[service]["environment"])
    known = {name: f"{service}_{name}".upper() for name in SETTINGS[service].model_fields}

    assert {variable for name, variable in known.items() if name not in FIXED} - variables == set()
    assert variables - set(known.values()) == set()


@pytest.mark.parametrize("service", WITH_DATABASE)
def test_a_database_is_migrated_before_its_service_starts(service: str) -> None:
    migration = compose()[f"{service}-migration"]

    assert compose()[service]["depends_on"] == {
        f"{service}-migration": {"condition": "service_completed_successfully"}
    }
    assert migration["command"] == ["python", "-m", "alembic", "upgrade", "head"]
    assert f"{service.upper()}_DATABASE_URL" in migration["environment"]
    assert (migration["image"], migration["restart"]) == (compose()[service]["image"], "no")


@pytest.mark.parametrize("name", [*NAMES, "triton", "admin"])
def test_our_containers_run_without_privileges(name: str) -> None:
    service = compose()[name]

    assert service["user"] == "10001:10001"
    assert (service["read_only"], service["tmpfs"]) == (True, ["/tmp"])  # noqa: S108
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])


def test_only_the_api_and_the_object_store_are_published_and_only_to_this_machine() -> None:
    ports = {name: service["ports"] for name, service in compose().items() if "ports" in service}

    assert ports.keys() == {"gateway", "objects"}
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)


def test_only_the_worker_can_reach_triton() -> None:
    reachable_by = {name for name, service in compose().items() if "models" in service["networks"]}

    assert reachable_by == {"inference", "triton"}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Return the path of the file that `secrets` has written."""
    for name in ("secrets", "compose.yaml"):
        shutil.copy(FOLDER / name, tmp_path)
    subprocess.run([tmp_path / "secrets"], check=True)
    return tmp_path / ".env"


def test_every_secret_is_different(written: Path) -> None:
    secrets = dict(line.split("=") for line in written.read_text().splitlines())

    assert set(re.findall(r"\$\{(\w+):\?", FILE.read_text())) == set(secrets)
    assert all(re.fullmatch(r"k[0-9a-f]{40}", secret) for secret in secrets.values())
    assert len(set(secrets.values())) == len(secrets)
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_secrets_are_created_only_once(written: Path) -> None:
    before = written.read_text()

    subprocess.run([written.with_name("secrets")], check=True)

    assert written.read_text() == before


def test_an_update_adds_the_secrets_that_are_new(written: Path) -> None:
    before = written.read_text()
    lines = [line for line in before.splitlines() if not line.startswith("TRITON_SECRET=")]
    written.write_text("\n".join(lines) + "\n")

    subprocess.run([written.with_name("secrets")], check=True)

    after = written.read_text().splitlines()
    assert after[:-1] == lines
    assert re.fullmatch(r"TRITON_SECRET=k[0-9a-f]{40}", after[-1])
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_the_servers_of_the_object_store_share_a_certificate_that_nobody_else_has() -> None:
    having = {
        name
        for name, service in compose().items()
        if any(str(each).startswith("certificates:") for each in service.get("volumes", []))
    }
    script = (FOLDER / "objects.sh").read_text()

    assert having == {"objects", "objects-certificate"}
    assert compose()["objects"]["depends_on"] == {
        "objects-certificate": {"condition": "service_completed_successfully"}
    }
    assert all(f"{name} " in script for name in object_store.COMPONENTS[:-1])


def test_identities_have_the_same_rights_as_in_the_local_stack() -> None:
    script = (FOLDER / "objects.sh").read_text()

    found = {
        part.split()[0]: set(re.findall(r"allow '(.*?)' (\S+?)\)", part))
        for part in script.split("$(policy ")[1:]
    }
    assert found == {
        name: {
            (resource, action)
            for resource, actions in object_store.RIGHTS[name].items()
            for action in actions
        }
        for name in object_store.SERVICES
    }


def test_the_servers_have_the_same_users_as_in_the_local_stack() -> None:
    users = re.findall(r"\{ user: (\w+), password: \$NATS_PASSWORD_(\w+)", (FOLDER / "nats.conf").read_text())
    databases = re.findall(r"CREATE DATABASE (\w+) OWNER (\w+)", (FOLDER / "databases.sh").read_text())
    identities = re.findall(r"\(identity (\w+) ", (FOLDER / "objects.sh").read_text())

    assert {user for user, _ in users} == {*NAMES, "sys"}
    assert all(user.upper() == password for user, password in users)
    assert [(name, name) for name in WITH_DATABASE] == databases
    assert identities == list(object_store.SERVICES)


def test_the_object_store_has_the_same_options_as_in_the_local_stack() -> None:
    options = dict(re.findall(r"-([\w.]+)=(\S+)", (FOLDER / "objects.sh").read_text()))
    of_the_s3_server = {
        "s3.iam",
        "s3.port.iceberg",
        "s3.port.lance",
        "s3.autoCreateBucket",
        "s3.allowDeleteBucketNotEmpty",
    }
    only_local = {"s3.localSocket", "filer.localSocket"}
    set_by_operators = {"s3.allowedOrigins"}

    assert options["allowedOrigins"] == '"$S3_ALLOWED_ORIGINS"'
    for name, value in object_store.OPTIONS.items():
        if name not in only_local | set_by_operators:
            assert options[name.removeprefix("s3.") if name in of_the_s3_server else name] == value


def test_the_broker_syncs_to_disk_and_has_the_same_permissions_as_in_the_local_stack() -> None:
    text = (FOLDER / "nats.conf").read_text()

    assert "sync_interval: always" in text
    assert all(json.dumps(permissions(name)) in text for name in NAMES)
