"""The models that clients may request before any worker has announced its models."""

from loupe.images.v1.known_models import KNOWN_MODELS

AUTO = KNOWN_MODELS[0].name
ALWAYS_SERVED = tuple(model.name for model in KNOWN_MODELS if model.is_always_served)
"""The models that every worker serves, and all that a worker of an old release serves."""
