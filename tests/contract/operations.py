"""The API's description as a list of operations, which tests take as parameters."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from common.metrics import Readiness
from gateway import app
from gateway.backend import Backend
from gateway.openapi import document

Json = dict[str, Any]
APPLICATION = app.create(cast("Backend", None), Readiness())
"""Has all routes, but no services behind them."""
DOCUMENT: Json = document.describe_api(APPLICATION, "")


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    spec: Json

    @property
    def name(self) -> str:
        return self.spec["operationId"]

    @property
    def id_name(self) -> str:
        """The name of the id in its path; empty if there is none."""
        names = [one["name"] for one in self.spec.get("parameters", ()) if one["in"] == "path"]
        return next((name for name in names if name.endswith("_id")), "")

    @property
    def needs_token(self) -> bool:
        return bool(self.spec["security"]) and {} not in self.spec["security"]

    @property
    def abilities(self) -> list[str]:
        return self.spec["security"][0]["token"] if self.needs_token else []

    def example_of(self, status: int, code: str) -> Json:
        """Return the refusal in the description."""
        return self.spec["responses"][str(status)]["content"]["application/json"]["examples"][code]["value"]

    def at(self, **values: object) -> str:
        """Return the path with these values. Other parameters get an id that nobody has."""
        names = [one["name"] for one in self.spec.get("parameters", ()) if one["in"] == "path"]
        return self.path.format_map(dict.fromkeys(names, "999999999") | values)


def operations() -> Iterator[Operation]:
    for path, methods in DOCUMENT["paths"].items():
        for method, spec in methods.items():
            yield Operation(method.upper(), path, spec)


OPERATIONS = list(operations())
