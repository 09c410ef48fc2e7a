"""The limits of a format that is written."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the format or of its encoder. None: only the service's own limits apply."""

    longest_side: int = 1 << 31
    """In pixels."""
    lossy_pixels: int | None = None
    """For a lossy still picture without alpha."""
    other_pixels: int | None = None
    """For a still picture that is lossless or has alpha."""
    frame_pixels: int | None = None
    """For each frame of an animation."""
