"""Finds scenarios, faults and audits: each is a file of its own, in the folder of its kind."""

from importlib import import_module
from pathlib import Path

from tests.chaos.kinds import Audit, Fault, Scenario

FOLDER = Path(__file__).parent


def scenarios() -> list[Scenario]:
    return [module.SCENARIO for module in _modules("scenarios")]


def faults() -> list[Fault]:
    return [module.FAULT for module in _modules("faults")]


def audits() -> list[Audit]:
    return [module.AUDIT for module in _modules("audits")]


def _modules(kind: str) -> list:  # type: ignore[type-arg]
    files = sorted((FOLDER / kind).glob("[a-z]*.py"))
    return [import_module(f"tests.chaos.{kind}.{file.stem}") for file in files]
