"""The models that may be requested before any worker has announced what it serves."""

from loupe.images.v1.known_models import KNOWN_MODELS

AUTO = KNOWN_MODELS[0].name
USUAL = tuple(model.name for model in KNOWN_MODELS if model.is_always_served)
"""What a worker serves that does not say otherwise."""
