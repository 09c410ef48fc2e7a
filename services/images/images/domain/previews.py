"""The previews and pyramids that a worker stores beside a result: which an image has, and under which keys.

They are deleted wherever the image's other objects are, whether the row names them or not: a worker may have
died after it stored them.
"""

from collections.abc import Iterable

from images.tables import Image
from loupe.contract import PREVIEWS

FOLDER = "images/previews/"


def stem_of(key: str) -> str:
    """Return the random part of a key, such as `abc` of `images/originals/abc.png`. All objects of an image
    share it.
    """
    return key.rpartition("/")[2].partition(".")[0]


def path_of(image: Image) -> str:
    """Return what the keys of the image's previews begin with."""
    return f"{FOLDER}{stem_of(image.upscaled_path)}"


def key_of(image: Image, name: str) -> str:
    """Return the key of one of `PREVIEWS`."""
    return f"{path_of(image)}.{name}"


def keys_beside(keys: Iterable[str]) -> set[str]:
    """Return the keys of all previews that images with objects of these keys may have."""
    stems = {stem_of(key) for key in keys}
    return {f"{FOLDER}{stem}.{name}" for stem in stems for name in PREVIEWS}


def stored(names: Iterable[str]) -> list[str] | None:
    """Return the names that a worker reports, without those that this release does not know."""
    return [name for name in names if name in PREVIEWS] or None
