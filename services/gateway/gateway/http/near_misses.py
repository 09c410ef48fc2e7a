"""Finds the field that a client probably meant by a name that no route knows."""

import difflib
import functools
import re
from collections.abc import Collection, Iterable

SIZE_NAMES = {
    "scale": "scale_factor",
    "scaling": "scale_factor",
    "factor": "scale_factor",
    "upscale": "scale_factor",
    "upscalefactor": "scale_factor",
    "multiplier": "scale_factor",
    "zoom": "scale_factor",
    "resize": "target_width",
    "resolution": "target_width",
    "dimensions": "target_width",
    "size": "target_width",
    "target": "target_width",
    "width": "target_width",
    "height": "target_height",
}
"""Names by which other services know the size of a result."""
SHORTEST_MISSPELT = 8
"""Letters of a field's name. One wrong letter in a shorter name is often another word."""
LONGEST_COMPARED = 64


def near_miss(name: str, options: Iterable[str]) -> str | None:
    """Return the option that `name` is near to: another name for a size, or at most one wrong letter.

    Case, and everything but letters and digits, does not count.
    """
    return _nearest(_plain(name), tuple(options))


@functools.lru_cache(maxsize=4096)  # a thousand items have the same few names
def _nearest(plain: str, options: tuple[str, ...]) -> str | None:
    for option in options:
        if SIZE_NAMES.get(plain) == option:
            return option
        if len(option) >= SHORTEST_MISSPELT and _is_within_one_edit(plain, _plain(option)):
            return option
    return None


def suggestion(name: str, known: Collection[str]) -> str | None:
    """Return the known field that is most like `name`; None if none is."""
    if option := near_miss(name, known):
        return option
    fields = {_plain(field): field for field in known}
    alike = difflib.get_close_matches(_plain(name), fields, n=1)
    return fields[alike[0]] if alike else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name[:LONGEST_COMPARED]).lower()


def _is_within_one_edit(one: str, other: str) -> bool:
    """True if a letter is added, missing or wrong, or if two neighbours are swapped."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None:
        return True
    rest, other_rest = one[start:], other[start:]
    swapped = rest[1::-1] + rest[2:] if len(rest) > 1 else ""
    return (
        rest[1:] == other_rest[1:]
        or rest[1:] == other_rest
        or rest == other_rest[1:]
        or swapped == other_rest
    )
