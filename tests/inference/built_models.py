"""Assembles the models as the worker does, from the builder's descriptions instead of a Triton."""

from builder.registry import NETWORKS, description
from inference.networks.registry import Model, assemble_models

DESCRIPTIONS = {network.name: description(network) for network in NETWORKS}
"""Each network's description, as Triton returns it."""
ENHANCE_NETWORKS = ("realesrgan_x4plus", "realesr_general_x4v3")
"""The networks that `enhance` may be made of, best first. A Triton may have neither."""


def assemble_without(*networks: str) -> dict[str, Model]:
    """Return the models of a Triton that has all networks except these."""
    missing = {f"{name}{variant}" for name in networks for variant in ("", "_float")}
    return assemble_models({name: text for name, text in DESCRIPTIONS.items() if name not in missing})


MODELS = assemble_without(*ENHANCE_NETWORKS)
"""The models that every worker serves."""
FAITHFUL, CLEAN, ART = MODELS["faithful"], MODELS["clean"], MODELS["art"]
ENHANCE_LARGE = assemble_models(DESCRIPTIONS)["enhance"]
ENHANCE_SMALL = assemble_without(ENHANCE_NETWORKS[0])["enhance"]
ALL_MODELS = (FAITHFUL, CLEAN, ART, ENHANCE_LARGE, ENHANCE_SMALL)
LEVELS = tuple(networks for model in (CLEAN, ART) for networks in model.levels.values())
"""The networks of each level of denoising."""
