"""The six formats: names, extensions, media types, and which one a result has."""

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """Values are Pillow's names."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WEBP"
    BMP = "BMP"
    TIFF = "TIFF"
    GIF = "GIF"


@dataclass(frozen=True, slots=True)
class Kind:
    extensions: tuple[str, ...]
    media_type: str
    becomes: Format
    """What a still picture of this format is upscaled to, where nothing else is asked for."""
    longest_side: int = 1 << 31
    """In pixels."""


KINDS = {
    Format.JPEG: Kind(("jpg", "jpeg", "jfif"), "image/jpeg", Format.JPEG, 65_500),
    Format.PNG: Kind(("png",), "image/png", Format.PNG),
    Format.WEBP: Kind(("webp",), "image/webp", Format.WEBP, 16_383),
    Format.BMP: Kind(("bmp",), "image/bmp", Format.PNG),
    Format.TIFF: Kind(("tiff", "tif"), "image/tiff", Format.TIFF),
    Format.GIF: Kind(("gif",), "image/gif", Format.PNG, 65_535),
}
MOVING = (Format.GIF, Format.WEBP)
"""What can hold an animation."""


def extension(name: Format) -> str:
    return KINDS[name].extensions[0]


def media_type(name: Format) -> str:
    return KINDS[name].media_type
