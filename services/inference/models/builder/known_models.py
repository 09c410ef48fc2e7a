"""Writes proto/loupe/images/v1/known_models.py: `python -m builder.known_models`, which `make proto` runs.

`images` and the gateway need the names and texts before any worker has announced itself, and for workers of
the release before, which announce names only.
"""

import sys
from collections.abc import Iterator

from builder.registry import MODELS, Model, Network, denoise_levels_of, networks_of

HEAD = '''"""The models that this release knows. `make proto` writes this file from the builder's registry."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownNetwork:
    name: str
    title: str
    source: str
    licence: str
    scale: int
    kflop: int


@dataclass(frozen=True, slots=True)
class KnownModel:
    name: str
    description: str
    best_for: str
    is_always_served: bool
    denoise: tuple[int, ...]
    """The levels of denoising that a client may choose among."""
    networks: tuple[KnownNetwork, ...]


KNOWN_MODELS = (
'''


def lines_of(model: Model) -> Iterator[str]:
    networks = networks_of(model)
    yield "    KnownModel("
    yield f"        name={model.name!r},"
    yield f"        description={model.description!r},"
    yield f"        best_for={model.best_for!r},"
    is_built = all(network.is_always_built for network in networks)
    yield f"        is_always_served={is_built and not model.is_new},"
    yield f"        denoise={tuple(denoise_levels_of(model))!r},"
    yield "        networks=("
    yield from (f"            {entry(network)}," for network in networks)
    yield "        ),"
    yield "    ),"


def entry(network: Network) -> str:
    facts = (
        network.name,
        network.title,
        network.source,
        network.licence,
        network.scale,
        network.kflop,
    )
    return f"KnownNetwork({', '.join(map(repr, facts))})"


def main() -> None:
    lines = [line for model in MODELS for line in lines_of(model)]
    sys.stdout.write(HEAD + "\n".join(lines) + "\n)\n")


if __name__ == "__main__":
    main()
