"""Assembles the models that clients may request from the descriptions in Triton's model repository.

The builder (services/inference/models/builder/registry.py) writes each network's description into its Triton
configuration, so the worker needs no table of its own: whatever the
repository contains can be served.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from inference.networks.network import FLOAT_SUFFIX, Network
from loupe.contract import SCALE_FACTORS
from loupe.images.v1.known_models import KNOWN_MODELS

PARAMETER = "loupe"
"""The parameter of a network's Triton configuration whose value is its description as JSON."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that clients may request by name."""

    name: str
    networks: tuple[Network, ...]
    """By scale, ascending. An image takes the smallest that reaches its size. Without networks a model
    repeats pixels.
    """
    description: str = ""
    best_for: str = ""
    title: str = ""
    """The network's architecture, for people."""
    source: str = ""
    """The origin of the weights, `owner/name` at GitHub."""
    licence: str = ""
    """The licence of the weights."""
    label: str = ""
    """The name for people of a model that the operator has added."""
    is_commercial: bool = True
    """Whether the licence allows commercial use."""
    denoise: int | None = None
    """The level of denoising of `networks`. None if the model has no levels."""
    levels: Mapping[int, tuple[Network, ...]] = field(default_factory=dict)
    """The networks of each level of denoising that it has."""
    under: tuple[Network, ...] = ()
    """The networks whose result lies under that of `networks`, if its strength is less than 1."""
    strength: float | None = None
    """The share of `networks` in the result, 0 to 1. None if the model has none."""

    @property
    def factors(self) -> range:
        """The whole factors that it can enlarge by."""
        return range(2, max((network.scale for network in self.networks), default=max(SCALE_FACTORS)) + 1)

    def at(self, level: int | None) -> "Model":
        """Return the model with the networks of this level, or unchanged if it has no such level."""
        if level is None or level not in self.levels:
            return self
        return replace(self, networks=self.levels[level], denoise=level)

    def over(self, other: "Model", strength: float) -> "Model":
        """Return the model with a result that is blended over that of the other one, by this share."""
        if not strength:
            return replace(self, networks=other.networks, strength=strength)
        return replace(self, under=other.networks, strength=strength)


AUTO = KNOWN_MODELS[0].name
BUILT_IN = {
    known.name: Model(known.name, (), known.description, known.best_for)
    for known in KNOWN_MODELS
    if not known.networks and known.name != AUTO
}
"""The models without networks, which every worker has."""


@dataclass(frozen=True, slots=True)
class Description:
    """A network as the builder describes it."""

    name: str
    scale: int
    overlap: int
    factors: tuple[int, ...]
    """The scale factors that it is used for. For a factor above `scale` it runs several times in a row."""
    fallback: str
    """The network that replaces it where it is uncertain; empty if it never is."""
    rank: int
    """If a model may use one of several networks, the one with the lowest rank is used."""
    title: str
    source: str
    licence: str
    is_commercial: bool
    model: Mapping[str, Any]
    """The model that it belongs to: `name`, `description`, `best_for`, all of its `factors`, the usual level
    of `denoise`, and the `title` of a model that the operator has added.
    """
    denoise: int | None
    """Its level of denoising, if its model has several."""
    then: str
    is_lazy: bool
    pooled: tuple[int, ...]
    largest_tile: int
    step: int

    @classmethod
    def from_json(cls, name: str, text: str) -> "Description":
        facts: dict[str, Any] = json.loads(text)
        return cls(
            name=name,
            scale=facts["scale"],
            overlap=facts["overlap"],
            factors=tuple(facts["factors"]),
            fallback=facts["fallback"],
            rank=facts["rank"],
            title=facts["title"],
            source=facts["source"],
            licence=facts["licence"],
            is_commercial=facts.get("commercial_use", True),
            model=facts["model"],
            # a repository that an earlier release built lacks the others
            denoise=facts.get("denoise"),
            then=facts.get("then", ""),
            is_lazy=facts.get("is_lazy", False),
            pooled=tuple(facts.get("pooled", ())),
            largest_tile=facts.get("largest_tile", 0),
            step=facts.get("step", 1),
        )


def assemble_models(configurations: Mapping[str, str]) -> dict[str, Model]:
    """Return the models that are complete, by name.

    `configurations` maps each network that is loaded at Triton to its description as JSON. A model is
    complete if each of its factors has a network, with its fallback, for 8 and for 16 bits.
    """
    descriptions = dict[str, Description]()
    for full, text in configurations.items():
        name = full.removesuffix(FLOAT_SUFFIX)
        if (
            name != full
            and (one := Description.from_json(name, text))
            and (one.is_lazy or name in configurations)
        ):
            descriptions[name] = one
    usable = [
        one
        for one in descriptions.values()
        if all(name in descriptions for name in (one.fallback, one.then) if name)
    ]
    models: dict[str, Model] = {}
    for one in sorted(usable, key=lambda one: one.rank):
        name = one.model["name"]
        if name not in models and (model := _assemble(one.model, usable, descriptions)):
            models[name] = model
    return models


def _assemble(
    model: Mapping[str, Any], usable: Iterable[Description], descriptions: Mapping[str, Description]
) -> Model | None:
    """Return the model with the best network for each of its factors. None if a factor has no network."""
    candidates = sorted(
        (one for one in usable if one.model["name"] == model["name"]), key=lambda one: one.rank
    )
    levels = {
        level: _networks_of(level, model, candidates, descriptions)
        for level in {one.denoise for one in candidates}
    }
    usual = model.get("denoise")
    networks = levels.get(usual, ())
    if not networks:
        return None
    first = next(one for one in candidates if one.name == networks[0].name)
    return Model(
        name=model["name"],
        networks=networks,
        description=model["description"],
        best_for=model["best_for"],
        title=first.title,
        source=first.source,
        licence=first.licence,
        label=model.get("title", ""),
        is_commercial=all(one.is_commercial for one in candidates),
        denoise=usual,
        levels={level: found for level, found in levels.items() if found and level is not None},
    )


def _networks_of(
    level: int | None,
    model: Mapping[str, Any],
    candidates: Iterable[Description],
    descriptions: Mapping[str, Description],
) -> tuple[Network, ...]:
    """Return the best network of a level for each of the model's factors. Empty if a factor has none."""
    usable = [one for one in candidates if one.denoise == level]
    chosen = [next((one for one in usable if factor in one.factors), None) for factor in model["factors"]]
    found = zip(chosen, model["factors"], strict=True)
    if None in chosen:
        return ()
    return tuple(_network(one, factor, descriptions) for one, factor in found if one is not None)


def _network(one: Description, factor: int, descriptions: Mapping[str, Description]) -> Network:
    """Return the network with as many passes as it takes to reach the factor."""
    passes = 1
    while one.scale**passes < factor:
        passes += 1
    later = descriptions[one.then] if one.then else one
    # a later pass works on an enlarged tile, so its overlap is fewer pixels of the input
    overlap = ceil(one.overlap + sum(later.overlap / one.scale**index for index in range(1, passes)))
    fallback = _network(descriptions[one.fallback], factor, descriptions) if one.fallback else None
    return Network(
        one.name,
        factor,
        overlap + (overlap % 2 if one.pooled or one.step > 1 else 0),
        passes,
        fallback,
        then=one.then if passes > 1 else "",
        is_lazy=one.is_lazy,
        pooled=one.pooled,
        largest_tile=one.largest_tile,
        step=one.step,
    )


def network_names(models: Iterable[Model], *, also_lazy: bool = False) -> set[str]:
    """Return the names that Triton must know to serve these models: fallbacks and variants of 16 bits too.

    Lazy networks are left out unless `also_lazy` is set, because a test tile would load them.
    """
    networks = {
        network for model in models for level in (model.networks, *model.levels.values()) for network in level
    }
    networks |= {network.fallback for network in networks if network.fallback}
    return {name for network in networks if also_lazy or not network.is_lazy for name in network.names}
