"""Names and labels that users choose: which characters they may have.

A label is shown to others, in mails, pages, logs and terminals. Control characters and line breaks would let
it look like text of ours, and marks that turn the direction of text would let it look like another label.
So would characters that nobody can see. Those that build one visible character, as in many emoji and in some
scripts, may stand where they do that.
"""

import re
import unicodedata
from collections.abc import Iterator

DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks, embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX 9)."""
FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of surrogate pairs, and the line and paragraph separators."""
HIDDEN = frozenset(
    "\u00ad\u034f\u180e\u200b\u2060\u2061\u2062\u2063\u2064\u206a\u206b\u206c\u206d\u206e\u206f\ufeff"
    "\ufff9\ufffa\ufffb\U0001d173\U0001d174\U0001d175\U0001d176\U0001d177\U0001d178\U0001d179\U0001d17a"
)
"""Hyphens, spaces and operators without a width, and marks of annotations and of music."""
TAGS = range(0xE0000, 0xE0080)
"""Copies of ASCII that nobody sees, so that a label could hold hidden text."""
FLAG = re.compile(
    "\U0001f3f4(?:[\U000e0061-\U000e007a]{2}|[\U000e0030-\U000e0039]{3})"
    "[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,4}\U000e007f"
)
"""The flag of a part of a country, such as Scotland: a black flag, and tags with the part's code (UTS 51)."""
JOINERS = frozenset("\u200c\u200d")
JOINED_CATEGORIES = frozenset({"Lo", "Lm", "Mn", "Mc", "So", "Sk", "Sm", "Cn"})
"""Emoji, also those that are newer than this Python, and letters of scripts whose letters join."""
EMOJI_SELECTORS, IDEOGRAPH_SELECTORS = range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)
CASED_CATEGORIES, LETTER_EMOJI = frozenset({"Lu", "Ll", "Lt"}), "\u2139"
"""Letters that have no variants, and the only emoji among them."""
BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as empty space."""
INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Mn", "Me", "Zs", "Zl", "Zp"})
"""Also marks, which need a letter to stand on."""


def is_visible(text: str) -> bool:
    """True if a reader sees at least one character."""
    return any(map(_is_seen, text))


def is_clean(text: str) -> bool:
    """True if every character may stand in a label."""
    return all(is_allowed for _, is_allowed in _checked(text))


def controls_text(text: str) -> bool:
    """True if the text has a control character, a line break or a mark of the text direction."""
    return any(map(_is_control, text))


def clean(text: str) -> str:
    """Return the text with a space for each run of characters that may not stand in a label."""
    allowed = "".join(character if is_allowed else "\0" for character, is_allowed in _checked(text))
    return " ".join(part for part in allowed.split("\0") if part).strip()


def without_forbidden(text: str) -> str:
    """Return the text without the characters that may not stand in a label."""
    return "".join(character for character, is_allowed in _checked(text) if is_allowed)


def _checked(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each character, and whether it may stand where it does."""
    tags = {place for flag in FLAG.finditer(text) for place in range(flag.start() + 1, flag.end())}
    previous = ""
    for place, character in enumerate(text):
        is_allowed = place in tags or _is_allowed(previous, character, text[place + 1 : place + 2])
        yield character, is_allowed
        previous = character if is_allowed else ""


def _is_allowed(previous: str, character: str, following: str) -> bool:
    """Return whether the character may stand between these two. Either is empty if there is none."""
    code = ord(character)
    if character in JOINERS:
        is_after_selector = bool(previous) and _is_selector(previous)
        return (is_after_selector or _is_joined(previous)) and _is_joined(following)
    if code in IDEOGRAPH_SELECTORS:
        return bool(previous) and unicodedata.category(previous) == "Lo"
    if code in EMOJI_SELECTORS:
        is_letter = bool(previous) and unicodedata.category(previous) in CASED_CATEGORIES
        return bool(previous) and _is_seen(previous) and (not is_letter or previous == LETTER_EMOJI)
    return not (_is_control(character) or character in HIDDEN or code in TAGS)


def _is_control(character: str) -> bool:
    return character in DIRECTION_MARKS or unicodedata.category(character) in FORBIDDEN_CATEGORIES


def _is_joined(character: str) -> bool:
    is_any = bool(character) and character not in HIDDEN and not _is_selector(character)
    return is_any and unicodedata.category(character) in JOINED_CATEGORIES


def _is_selector(character: str) -> bool:
    return ord(character) in EMOJI_SELECTORS or ord(character) in IDEOGRAPH_SELECTORS


def _is_seen(character: str) -> bool:
    return character not in BLANKS and unicodedata.category(character) not in INVISIBLE_CATEGORIES
