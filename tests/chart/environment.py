"""Compute the environment of a container as Kubernetes would set it."""

import importlib
import re
from collections.abc import Mapping

from common.settings import ServiceSettings
from gateway import admin
from loupe_local.service_names import NAMES
from loupe_local.triton import SCRIPT
from tests.chart.checks.secrets import NAMED, plain
from tests.chart.objects import Object, Pod, Release

WORD = re.compile(r"\b[A-Z][A-Z0-9_]+\b")
GIVEN = "given-by-a-secret-that-is-there-already-0123456789"
"""Stands for every value of an existing Secret."""
OF_LIBRARIES = re.compile(r"OTEL_\w+|SSL_CERT_FILE|HOME|TMPDIR|PYTHON\w+")
OF_COMMANDS = {
    *re.findall(r"LOUPE_TRITON_\w+", SCRIPT.read_text()),
    *(f"LOUPE_{name.upper()}" for name in (*admin.REQUIRED_NAMES, *admin.OPTIONAL_NAMES, *admin.TLS_FILES)),
}
"""Variables that Triton's start script and loupe-admin read."""


def settings_of(service: str) -> type[ServiceSettings]:
    return importlib.import_module(f"{service}.settings").Settings


def variables_of(service: str) -> set[str]:
    return {f"{service}_{name}".upper() for name in settings_of(service).model_fields}


def containers_of(release: Release, service: str) -> list[tuple[Pod, Object]]:
    return [
        (pod, container)
        for pod in release.pods
        for container in pod.spec["containers"]
        if pod.component == service and container["name"] == service
    ]


def environment(release: Release, container: Object) -> dict[str, str]:
    """Return the environment variables of the container's process."""
    filled: dict[str, str] = {}
    for source in container.get("envFrom", []):
        filled |= _all_of(release, source)
    for variable in container.get("env", []):
        if _is_missing(release, variable):
            continue
        value = variable["value"] if "value" in variable else _referred(release, variable["valueFrom"])
        filled[variable["name"]] = NAMED.sub(lambda match: filled.get(match[1], match[0]), value)
    return filled


def unknown(container: Object) -> list[str]:
    """Return the variables that no service, library, other variable or script in the command reads."""
    known = OF_COMMANDS | {name for service in NAMES for name in variables_of(service)}
    texts = [str(variable.get("value", "")) for variable in container.get("env", [])]
    arguments = [*container.get("command", []), *container.get("args", [])]
    known |= {name for text in texts for name in NAMED.findall(text)}
    known |= {name for argument in arguments for name in WORD.findall(argument)}
    names = {variable["name"] for variable in container.get("env", [])}
    return sorted(name for name in names - known if not OF_LIBRARIES.fullmatch(name))


def _all_of(release: Release, source: Object) -> Mapping[str, str]:
    if "secretRef" in source:
        secret = release.find("Secret", source["secretRef"]["name"])
        return plain(secret) if secret else {}
    found = release.find("ConfigMap", source["configMapRef"]["name"])
    return found["data"] if found else {}


def _is_missing(release: Release, variable: Object) -> bool:
    """Return whether the variable is not set because its Secret lacks the key, and may."""
    reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
    secret = release.find("Secret", reference.get("name", ""))
    return bool(reference.get("optional") and secret and reference["key"] not in plain(secret))


def _referred(release: Release, source: Object) -> str:
    if "secretKeyRef" in source:
        reference = source["secretKeyRef"]
        secret = release.find("Secret", reference["name"])
        return plain(secret)[reference["key"]] if secret else GIVEN
    if "configMapKeyRef" in source:
        reference = source["configMapKeyRef"]
        found = release.find("ConfigMap", reference["name"])
        return found["data"][reference["key"]] if found else GIVEN
    return "10.1.2.3"  # the value is a field of the pod
