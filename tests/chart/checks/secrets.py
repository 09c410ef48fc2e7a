"""Secret values are only in Secrets, and containers refer to them."""

import base64
import re
from collections.abc import Iterator

from tests.chart.objects import Object, Release, called, strings

SECRET = re.compile(r"(?i)(SECRET|PASSWORD|PASSWD|TOKEN|PRIVATE_KEY|ACCESS_KEY|CREDENTIALS?)$")
WITH_PASSWORD = re.compile(r"://[^/\s:@$]*:(?!\$)[^/\s@]+@")
"""Matches postgresql://role:password@host. Kubernetes replaces $(NAME), which does not match."""
NAMED = re.compile(r"(?<!\$)\$\(([A-Z_][A-Z0-9_]*)\)")
LONG_ENOUGH = 12
"""From this length on, a value is not found by chance."""


def secret_variables_come_from_secrets(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.containers:
            for variable in container.get("env", []):
                value = str(variable.get("value", ""))
                is_reference = bool(NAMED.search(value))
                if value and not is_reference and SECRET.search(variable["name"]):
                    yield f"{pod}, {container['name']}: {variable['name']} is written in plain text"
                if WITH_PASSWORD.search(value):
                    yield f"{pod}, {container['name']}: {variable['name']} holds a password"


def maps_hold_no_secrets(release: Release) -> Iterator[str]:
    for one in release.of("ConfigMap"):
        for key, text in (one.get("data") or {}).items():
            if WITH_PASSWORD.search(text) or "PRIVATE KEY-----" in text:
                yield f"{called(one)}: {key} holds a password"


def secrets_are_nowhere_else(release: Release) -> Iterator[str]:
    secret = {value: called(one) for one in release.of("Secret") for value in plain(one).values()}
    telling = {value: where for value, where in secret.items() if len(value) >= LONG_ENOUGH}
    for one in release.objects:
        if one["kind"] == "Secret":
            continue
        for text in strings(one):
            yield from (
                f"{called(one)}: a value of {where}" for value, where in telling.items() if value in text
            )


def secrets_are_no_defaults(release: Release) -> Iterator[str]:
    """Two equal values, or a short one, were written by a person."""
    for one in release.of("Secret"):
        for key, value in plain(one).items():
            if SECRET.search(key.replace("-", "_").upper()) and len(value) < LONG_ENOUGH:
                yield f"{called(one)}: {key} has {len(value)} characters"


def names_in_values_are_known(release: Release) -> Iterator[str]:
    """Kubernetes replaces $(NAME) only if NAME is defined before it."""
    for pod in release.pods:
        for container in pod.containers:
            known: set[str] = set()
            for variable in container.get("env", []):
                for name in set(NAMED.findall(str(variable.get("value", "")))) - known:
                    yield f"{pod}, {container['name']}: {variable['name']} uses {name}, undefined before it"
                known.add(variable["name"])
            for word in (*container.get("command", []), *container.get("args", [])):
                for name in set(NAMED.findall(word)) - known:
                    yield f"{pod}, {container['name']}: its command uses {name}, which is not defined"


def plain(secret: Object) -> dict[str, str]:
    decoded = {
        key: base64.b64decode(value).decode(errors="replace")
        for key, value in (secret.get("data") or {}).items()
    }
    return decoded | (secret.get("stringData") or {})


CHECKS = (
    secret_variables_come_from_secrets,
    maps_hold_no_secrets,
    secrets_are_nowhere_else,
    secrets_are_no_defaults,
    names_in_values_are_known,
)
