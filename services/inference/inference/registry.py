"""The models that a client can ask for by name, and what each of them is made of."""

from dataclasses import dataclass

from inference.bands import CLEAN, Net


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    nets: tuple[Net, ...]
    """By scale, ascending; the smallest that reaches a target is used."""


FAITHFUL = Model("faithful", (Net("span_x2", scale=2, overlap=21), Net("span_x4", scale=4, overlap=21)))
"""Nearest to the original on clean photos."""
CLEANING = Model("clean", (CLEAN[2], CLEAN[4]))
"""For worn JPEGs, text, line art and flat colours."""
MODELS = {model.name: model for model in (FAITHFUL, CLEANING)}


def served(models: tuple[Model, ...] = tuple(MODELS.values())) -> set[str]:
    """The names that Triton must know."""
    return {name for model in models for net in model.nets for name in (net.name, net.deep_name)}
