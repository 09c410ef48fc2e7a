"""Reads the card of an operator's own network: a short YAML file beside it.

Every wrong value is refused with the field and what it may be.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from builder.errors import Refused
from builder.registry import MODELS

FACTORS = (2, 4)
"""The factors that a network may enlarge by. Both reach 4, which every client may request."""
CHANNELS = ("rgb", "bgr", "grey")
NAME = re.compile(r"[a-z][a-z0-9-]{1,30}")
LARGEST_OVERLAP = 112
"""Tiles of 256 pixels still have a core beside twice this overlap."""
COMMERCIAL = (
    "MIT",
    "BSD",
    "Apache",
    "ISC",
    "Zlib",
    "CC0",
    "CC-BY-4",
    "CC-BY-3",
    "CC-BY-SA",
    "Unlicense",
    "0BSD",
)
"""The names of licences that allow commercial use begin with one of these."""
NON_COMMERCIAL = re.compile(r"non-?commercial|\bNC\b|-NC-|-NC$", re.IGNORECASE)
FIELDS = {
    "name", "title", "licence", "factor", "channels", "range", "overlap",
    "source", "description", "best_for", "commercial_use",
}  # fmt: skip
LONGEST = 200


@dataclass(frozen=True)
class Card:
    """A network as its operator describes it."""

    name: str
    """The name by which clients request it."""
    title: str
    """Its name for people."""
    licence: str
    commercial_use: bool
    factor: int
    channels: str
    """`rgb`, `bgr`, or `grey` for a network that gets each colour by itself."""
    lowest: float
    """The value of black at the network's input and output."""
    highest: float
    """The value of white."""
    overlap: int | None
    """None measures it."""
    source: str
    description: str
    best_for: str

    @property
    def triton_name(self) -> str:
        """Triton's name of the network. No network of Loupe begins like that."""
        return "own_" + self.name.replace("-", "_")

    @property
    def factors(self) -> tuple[int, ...]:
        """The factors of the model that the network is used for: 2 and 4, or 4."""
        return tuple(each for each in FACTORS if each >= self.factor)


def read(path: Path) -> Card:
    """Return the card. Raises `Refused`."""
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Refused(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise Refused(f"{path} must have one `field: value` a line")
    if unknown := sorted(str(name) for name in values.keys() - FIELDS):
        raise Refused(f"{path}: there is no field {unknown[0]}, only {', '.join(sorted(FIELDS))}")
    return parse(values)


def parse(values: dict[str, Any]) -> Card:
    """Return the card with these fields. Raises `Refused`."""
    name, title, licence = (text(values, field) for field in ("name", "title", "licence"))
    if not NAME.fullmatch(name):
        raise Refused("name: 2 to 31 small letters, digits and hyphens, with a letter first")
    if name in {model.name for model in MODELS}:
        raise Refused(f"name: Loupe has a model {name} itself")
    if name.endswith("-float"):  # Triton's name of the variant for 16 bits of another model
        raise Refused("name: it may not end with -float")
    factor, channels = values.get("factor"), values.get("channels", "rgb")
    if type(factor) is not int or factor not in FACTORS:
        raise Refused("factor: 2 or 4")
    if channels not in CHANNELS:
        raise Refused(f"channels: one of {', '.join(CHANNELS)}")
    lowest, highest = parse_range(values.get("range", [0, 1]))
    return Card(
        name,
        title,
        licence,
        parse_commercial_use(licence, values.get("commercial_use")),
        factor,
        channels,
        lowest,
        highest,
        parse_overlap(values.get("overlap", "auto")),
        text(values, "source", ""),
        text(values, "description", title),
        text(values, "best_for", "what its maker says"),
    )


def text(values: dict[str, Any], field: str, default: str | None = None) -> str:
    value = values.get(field, default)
    if not isinstance(value, str) or len(value) > LONGEST or not value.isprintable():
        raise Refused(f"{field}: a text of up to {LONGEST} characters")
    if not value.strip() and default is None:
        raise Refused(f"{field}: it may not be empty")
    return value.strip()


def parse_range(value: object) -> tuple[float, float]:
    """Return the values of black and white."""
    is_pair = isinstance(value, list) and len(value) == 2
    is_finite = is_pair and all(type(each) in (int, float) and math.isfinite(each) for each in value)
    if not is_finite or not value[0] < value[1]:
        raise Refused("range: the values of black and white, such as [0, 1] or [0, 255]")
    return float(value[0]), float(value[1])


def parse_overlap(value: object) -> int | None:
    if value == "auto":
        return None
    if type(value) is not int or not 0 <= value <= LARGEST_OVERLAP:
        raise Refused(f"overlap: auto, or 0 to {LARGEST_OVERLAP} pixels")
    return value


def parse_commercial_use(licence: str, value: object) -> bool:
    """Return whether the licence allows commercial use. If its name does not say, the card must."""
    if isinstance(value, bool):
        if value and NON_COMMERCIAL.search(licence):
            raise Refused(f"commercial_use: the licence {licence} does not allow it")
        return value
    if value is not None:
        raise Refused("commercial_use: true or false")
    if NON_COMMERCIAL.search(licence):
        return False
    if licence.startswith(COMMERCIAL):
        return True
    raise Refused(f"commercial_use: say true or false, because the licence {licence} is not a known one")
