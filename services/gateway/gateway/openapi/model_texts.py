"""The description of models in OpenAPI: those that an installation serves, and the one that an image used."""

from typing import Any

from gateway.openapi import examples
from gateway.openapi.schema_parts import a_field

Json = dict[str, Any]
IMAGE: Json = examples.IMAGE
FIELDS: Json = {
    # the model of an image
    "asked": a_field("The model that was requested.", "auto"),
    "Model.used": a_field("The model that makes the result; null until it is known.", "faithful"),
    "reason": a_field("Why `auto` chose this model, for programs; null if it did not choose.", "clean_photo"),
    "Model.message": a_field(
        "Why `auto` chose this model, for a person; null if it did not choose.",
        IMAGE["model"]["message"],
    ),
    "Model.denoise": a_field(
        "The level of denoising that was used, 0 to 3; null from models without levels.", None
    ),
    "Model.precision": a_field(
        "The lowest precision that a network computed in: `bf16`, `f16` or `f32`. Null until it is known, "
        "and if no network was needed.",
        "bf16",
    ),
    "Model.strength": a_field(
        "How much of `enhance` the result has, 0 to 1; the rest is `faithful`. Null from other models, and "
        "until it is known.",
        None,
    ),
    # the models of an installation
    "ServedModel.name": a_field("The name, as `model` of an upload.", "faithful"),
    "ServedModel.description": a_field("The effect of the model.", examples.MODELS[1]["description"]),
    "best_for": a_field("The pictures that the model suits best.", examples.MODELS[1]["best_for"]),
    "is_default": a_field("True for the model that is used if an upload names none.", False),
    "scales": a_field("The scale factors.", examples.MODELS[1]["scales"]),
    "network": a_field("The neural network; null for `auto`.", examples.MODELS[1]["network"]),
    "source": a_field("The origin of the network; null for `auto`.", examples.MODELS[1]["source"]),
    "licence": a_field("The licence of the weights; null for `auto`.", examples.MODELS[1]["licence"]),
    "ServedModel.title": a_field(
        "The name for people of a model that this installation has added; null for Loupe's own models.", None
    ),
    "commercial_use": a_field(
        "Whether the licence of the weights allows commercial use; null if no worker has said so.", True
    ),
}
