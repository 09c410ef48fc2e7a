"""Names and labels that users choose: which characters they may have.

A label is shown to others, in mails, pages, logs and terminals. Control characters and line breaks would let
it look like text of ours, and marks that turn the direction of text would let it look like another label.
"""

import unicodedata

DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX 9)."""
FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of surrogate pairs, and the line and paragraph separators."""


def is_allowed(character: str) -> bool:
    return character not in DIRECTION_MARKS and unicodedata.category(character) not in FORBIDDEN_CATEGORIES


def is_clean(text: str) -> bool:
    """True if every character may stand in a label."""
    return all(map(is_allowed, text))


def clean(text: str) -> str:
    """Return the text with a space for each run of characters that may not stand in a label."""
    allowed = "".join(character if is_allowed(character) else "\0" for character in text)
    return " ".join(part for part in allowed.split("\0") if part).strip()
