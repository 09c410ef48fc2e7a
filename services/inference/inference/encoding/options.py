"""The options of an encoder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    quality: int | None = None
    """1 to 100. None: the format's default. Formats without a quality ignore it."""
    is_lossless: bool = True
    """Whether the original was compressed without loss. If so, a WebP without a `quality` is lossless too."""
