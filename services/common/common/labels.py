"""Names and labels that users choose: which characters they may have.

A label is shown to others, in mails, pages, logs and terminals. Control characters and line breaks would let
it look like text of ours, and marks that turn the direction of text would let it look like another label.
So would characters that nobody can see.
"""

import unicodedata

DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks, embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX 9)."""
FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of surrogate pairs, and the line and paragraph separators."""
TAGS = range(0xE0000, 0xE0080)
"""Copies of ASCII that nobody sees, so that a label could hold hidden text."""
BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as empty space."""
INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Mn", "Me", "Zs", "Zl", "Zp"})
"""Also marks, which need a letter to stand on."""


def is_allowed(character: str) -> bool:
    is_mark = character in DIRECTION_MARKS or ord(character) in TAGS
    return not is_mark and unicodedata.category(character) not in FORBIDDEN_CATEGORIES


def is_visible(text: str) -> bool:
    """True if a reader sees at least one character."""
    return any(
        character not in BLANKS and unicodedata.category(character) not in INVISIBLE_CATEGORIES
        for character in text
    )


def is_clean(text: str) -> bool:
    """True if every character may stand in a label."""
    return all(map(is_allowed, text))


def clean(text: str) -> str:
    """Return the text with a space for each run of characters that may not stand in a label."""
    allowed = "".join(character if is_allowed(character) else "\0" for character in text)
    return " ".join(part for part in allowed.split("\0") if part).strip()
