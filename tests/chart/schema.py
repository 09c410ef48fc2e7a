"""The keys of the values, as values.schema.json, values.yaml and the README's table list them."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.chart.helm import CHART, load
from tests.chart.objects import Object

ROW = re.compile(r"^\| `([A-Za-z][\w.-]*)` \|", re.MULTILINE)


def schema() -> Object:
    return json.loads((CHART / "values.schema.json").read_text())


def values() -> Object:
    return load((CHART / "values.yaml").read_text())


def described() -> set[str]:
    """Return each key that takes a value in the schema, such as `gateway.service.port`."""
    described = schema()
    return set(_described(described["properties"], described["$defs"], values()))


def present() -> set[str]:
    return set(_present(values(), described()))


def in_readme() -> set[str]:
    return set(ROW.findall((CHART / "README.md").read_text()))


def objects(part: Any) -> Iterator[Object]:
    """Yield every schema that defines the keys of an object."""
    if isinstance(part, dict):
        if "properties" in part and part.get("type") == "object":
            yield part
        for inner in part.values():
            yield from objects(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from objects(inner)


def resolved(part: Object, definitions: Object) -> Object:
    reference: str = part.get("$ref", "")
    return definitions[reference.rpartition("/")[2]] if reference else part


def _described(properties: Object, definitions: Object, there: Object, above: str = "") -> Iterator[str]:
    """Yield the keys of a schema. An empty map in values.yaml is a value itself, whatever it may contain."""
    for name, written in properties.items():
        part, value = resolved(written, definitions), there.get(name)
        if part.get("properties") and value != {}:
            inner = value if isinstance(value, dict) else {}
            yield from _described(part["properties"], definitions, inner, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def _present(inner: Object, known: set[str], above: str = "") -> Iterator[str]:
    for name, value in inner.items():
        path = f"{above}{name}"
        if isinstance(value, dict) and value and path not in known:
            yield from _present(value, known, f"{path}.")
        else:
            yield path
