"""The API's description as a list of operations, known before anything runs: each is a test's parameter."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from common.metrics import Readiness
from gateway import app
from gateway.backend import Backend
from gateway.openapi import document

Json = dict[str, Any]
APPLICATION = app.create(cast("Backend", None), Readiness())
"""Its routes, with nothing behind them."""
DOCUMENT: Json = document.described(APPLICATION, "")


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    told: Json

    @property
    def name(self) -> str:
        return self.told["operationId"]

    @property
    def id_name(self) -> str:
        """Of the parameter in its path that is an id; empty: it has none."""
        names = [one["name"] for one in self.told.get("parameters", ()) if one["in"] == "path"]
        return next((name for name in names if name.endswith("_id")), "")

    @property
    def needs_token(self) -> bool:
        return bool(self.told["security"]) and {} not in self.told["security"]

    @property
    def abilities(self) -> list[str]:
        return self.told["security"][0]["token"] if self.needs_token else []

    def example_of(self, status: int, code: str) -> Json:
        """The refusal as the description shows it."""
        return self.told["responses"][str(status)]["content"]["application/json"]["examples"][code]["value"]

    def at(self, **values: object) -> str:
        """The path with these in it; others are such as nobody has."""
        names = [one["name"] for one in self.told.get("parameters", ()) if one["in"] == "path"]
        return self.path.format_map(dict.fromkeys(names, "999999999") | values)


def operations() -> Iterator[Operation]:
    for path, methods in DOCUMENT["paths"].items():
        for method, told in methods.items():
            yield Operation(method.upper(), path, told)


OPERATIONS = list(operations())
