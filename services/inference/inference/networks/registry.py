"""The models that a client can ask for by name, and what each of them is made of."""

from collections.abc import Iterable
from dataclasses import dataclass

from inference.networks.network import Network
from inference.tiling.tile_rows import CLEAN


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    nets: tuple[Network, ...]
    """By scale, ascending; the smallest that reaches a target is used."""


FAITHFUL = Model(
    "faithful", (Network("span_x2", scale=2, overlap=21), Network("span_x4", scale=4, overlap=21))
)
"""Nearest to the original on clean photos."""
CLEANING = Model("clean", (CLEAN[2], CLEAN[4]))
"""For worn JPEGs, text, line art and flat colours."""
ENHANCING = (
    Model("enhance", (Network("realesrgan_x4plus", scale=4, overlap=96),)),
    Model("enhance", (Network("realesr_general_x4v3", scale=4, overlap=34),)),
)
"""Invents edges and removes noise: looks best on worn input, is further from the original by PSNR, and is
chosen by `auto` for hardly anything. Not every Triton has it; the first whose networks are there is taken.
"""
AUTO = "auto"
MODELS = {model.name: model for model in (FAITHFUL, CLEANING)}
"""What `auto` chooses among. Triton must have their networks: `faithful` falls back on those of `clean`."""
NAMES = (*MODELS, ENHANCING[0].name)


def served(models: Iterable[Model] = tuple(MODELS.values())) -> set[str]:
    """The names that Triton must know."""
    return {name for model in models for net in model.nets for name in (net.name, net.deep_name)}
