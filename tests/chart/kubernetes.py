"""Validate objects against the schemas of Kubernetes and of custom resources.

An unknown field or kind is an error. CEL rules of custom resources are not evaluated.
"""

import functools
import importlib.resources
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.chart.helm import load
from tests.chart.objects import Object, called

VERSIONS = tuple(f"1.{minor}" for minor in range(31, 38))
CUSTOM = Path(__file__).parent / "crds"
DEFINITIONS = "https://kubernetes.io/api/_definitions.json"
META = f"{DEFINITIONS}#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
FREE = ("x-kubernetes-preserve-unknown-fields", "additionalProperties")


def problems(one: Object, version: str) -> Iterator[str]:
    """Yield a sentence for everything that this version of Kubernetes would refuse or drop."""
    validator = _validator(one["apiVersion"], one["kind"], version)
    if validator is None:
        yield f"{called(one)}: Kubernetes {version} knows no {one['kind']} of {one['apiVersion']}"
        return
    for error in validator.iter_errors(one):
        where = ".".join(map(str, error.instance_path))
        yield f"{called(one)}: {where}: {error.message}"
    yield from (f"{called(one)}: {where}: nothing stands there" for where in _empty(one))


def _empty(value: Any, where: str = "") -> Iterator[str]:
    """Yield the paths of nulls.

    The schemas accept null everywhere, but in a template it means a missing value.
    """
    if value is None:
        yield where
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from _empty(inner, f"{where}.{key}".removeprefix("."))


@functools.cache
def _validator(api_version: str, kind: str, version: str) -> jsonschema_rs.Validator | None:
    schema = _custom().get((api_version, kind)) or _own(api_version, kind, version)
    return None if schema is None else jsonschema_rs.validator_for(schema, registry=_registry(version))


@functools.cache
def _registry(version: str) -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry(
        [(DEFINITIONS, json.loads((_folder(version) / "_definitions.json").read_text()))]
    )


def _own(api_version: str, kind: str, version: str) -> Object | None:
    """Return the schema of a built-in kind.

    Files have names such as deployment-apps-v1.json or service-v1.json.
    """
    group, _, number = api_version.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.partition(".")[0], number)))
    path = _folder(version) / f"{name}.json"
    schema: Object | None = json.loads(path.read_text()) if path.is_file() else None
    return schema if schema and _is(schema, group, kind, number) else None


def _is(schema: Object, group: str, kind: str, version: str) -> bool:
    """Return whether the schema describes this kind.

    The file's name contains only the first part of the group.
    """
    return {"group": group, "kind": kind, "version": version} in schema["x-kubernetes-group-version-kind"]


def _folder(version: str) -> Any:
    package = importlib.resources.files("kubernetes_validate")
    return package / "kubernetes-json-schema" / f"v{version}.0-local-strict"


@functools.cache
def _custom() -> dict[tuple[str, str], Object]:
    definitions = [load(path.read_text()) for path in CUSTOM.glob("*.yaml")]
    return {(one["apiVersion"], one["kind"]): _whole(one["schema"]) for one in definitions}


def _whole(schema: Object) -> Object:
    strict = _strict(schema)
    return strict | {"properties": strict["properties"] | {"metadata": {"$ref": META}}}


def _strict(schema: Any) -> Any:
    """Refuse unknown fields. Kubernetes itself silently drops them."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _strict(inner) for key, inner in schema.items()}
    is_object = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    return (
        closed | {"additionalProperties": False}
        if is_object and not any(key in schema for key in FREE)
        else closed
    )
