"""Recognises files that may be pictures, by their first bytes. The server decides what it takes."""

from pathlib import Path

from loupe_client.formats import FORMATS

HEAD_BYTES = 64
SUFFIXES = {choice: each.suffixes[0] for each in FORMATS for choice in each.choices}
"""The suffix of a result by its format."""
SAME = {suffix: each.suffixes[0] for each in FORMATS for suffix in each.suffixes[1:]} | {
    ".jpe": ".jpg",
    ".apng": ".png",
}
"""Suffixes that stand for the same format as another one."""
NOT_IN_BROWSERS = tuple(suffix for each in FORMATS if not each.is_for_browsers for suffix in each.suffixes)


def may_be_picture(path: Path) -> bool:
    """Return whether a file begins like a picture. Raise `OSError` if it cannot be read."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return any(each.signature and each.signature.match(head) for each in FORMATS)


def is_same_format(suffix: str, other: str) -> bool:
    """Return whether two suffixes stand for the same format."""
    one, two = suffix.lower(), other.lower()
    return SAME.get(one, one) == SAME.get(two, two)


def format_of(suffix: str) -> str | None:
    """Return the format that a result has under a name with this suffix; None if it can have none."""
    plain = SAME.get(suffix.lower(), suffix.lower())
    return next((name for name, known in SUFFIXES.items() if known == plain), None)


def expected_suffix(source_suffix: str, chosen_format: str | None) -> str:
    """Return the suffix that the result will probably have."""
    if chosen_format:
        wanted = SUFFIXES.get(chosen_format.lower(), f".{chosen_format.lower()}")
        return source_suffix if is_same_format(source_suffix, wanted) else wanted
    source = source_suffix.lower()
    return next(
        (each.result_suffix for each in FORMATS if source in each.suffixes and not each.choices),
        source_suffix,
    )
