"""Makes names of files unique, and safe on Windows, macOS and Linux."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

LONGEST_BYTES = 200
"""Limit for a name in UTF-8. File systems allow 255, and tools append to names."""
LONGEST_SUFFIX = 16
FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
"""Characters that Windows forbids, and separators of paths."""
HIDDEN_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Characters that make a name look like another one."""
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE)
"""Names of devices on Windows, with any extension."""


def safe_name(name: str) -> str:
    """Return a name that every file system takes and shows as it is. It is in Unicode's form NFC."""
    text = "".join("_" if _is_hidden(one) else one for one in unicodedata.normalize("NFC", name))
    text = FORBIDDEN.sub("_", text).strip().rstrip(". ")
    if not text.strip("._ "):
        return f"image{PurePosixPath(text).suffix}"
    if RESERVED.fullmatch(text.partition(".")[0].rstrip()):
        text = f"_{text}"
    return _shortened(text, LONGEST_BYTES)


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return safe names, of which no two are equal where case does not count. Duplicates are numbered."""
    used = {_compared(name) for name in taken}
    unique: list[str] = []
    for name in map(safe_name, names):
        candidate, number = name, 2
        while _compared(candidate) in used:
            candidate, number = _numbered(name, number), number + 1
        used.add(_compared(candidate))
        unique.append(candidate)
    return unique


def _is_hidden(character: str) -> bool:
    return character in BIDI_CONTROLS or unicodedata.category(character) in HIDDEN_CATEGORIES


def _compared(name: str) -> str:
    """Return the name as a file system compares it that ignores case and forms of Unicode."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _numbered(name: str, number: int) -> str:
    path, mark = PurePosixPath(name), f" ({number})"
    stem, suffix = path.stem, path.suffix
    return _shortened(stem, LONGEST_BYTES - len(mark) - len(suffix.encode())) + mark + suffix


def _shortened(name: str, most: int) -> str:
    """Return the name with at most so many bytes in UTF-8. It is cut before its extension."""
    if len(name.encode()) <= most:
        return name
    suffix = PurePosixPath(name).suffix
    suffix = suffix if len(suffix.encode()) <= LONGEST_SUFFIX else ""
    room = most - len(suffix.encode())
    stem = name.removesuffix(suffix).encode()[:room].decode(errors="ignore")
    return stem.rstrip(". ") + suffix
