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


KINDS = {
    Format.JPEG: Kind(("jpg", "jpeg", "jfif"), "image/jpeg", Format.JPEG),
    Format.PNG: Kind(("png",), "image/png", Format.PNG),
    Format.WEBP: Kind(("webp",), "image/webp", Format.WEBP),
    Format.BMP: Kind(("bmp",), "image/bmp", Format.PNG),
    Format.TIFF: Kind(("tiff", "tif"), "image/tiff", Format.TIFF),
    Format.GIF: Kind(("gif",), "image/gif", Format.PNG),
}


def extension(name: Format) -> str:
    return KINDS[name].extensions[0]


def media_type(name: Format) -> str:
    return KINDS[name].media_type
