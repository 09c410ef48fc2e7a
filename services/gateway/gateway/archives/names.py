"""Makes names of files unique, and safe on Windows, macOS and Linux."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from imagefile.formats import FORMATS

LONGEST_BYTES = 200
"""Limit for a name in UTF-8. File systems allow 255, and tools append to names."""
LONGEST_PATH_BYTES = 1024
"""Limit for a path with its folders. Folders beyond it are left out."""
LONGEST_SUFFIX = 16
FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
"""Characters that Windows forbids, and separators of paths."""
EXTENSIONS = {f".{extension}" for each in FORMATS.values() for extension in each.extensions}
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


def safe_path(path: str) -> str:
    """Return a path below the folder where it is unpacked, whose parts are safe names."""
    parts = [part for part in path.replace("\\", "/").split("/") if part.strip(" .")]
    *folders, name = parts or [path]
    room = LONGEST_PATH_BYTES
    kept: list[str] = []
    for folder in map(safe_name, folders):
        room -= len(folder.encode()) + 1
        if room >= LONGEST_BYTES:
            kept.append(folder)
    return "/".join([*kept, safe_name(name)])


def name_of_result(reference: str, filename: str) -> str:
    """Return the client's own name for an image with the extension of its result. Without one: `filename`."""
    if not reference:
        return filename
    own, suffix = PurePosixPath(reference).suffix, PurePosixPath(filename).suffix
    if own.lower() == suffix.lower():
        return reference
    return (reference.removesuffix(own) if own.lower() in EXTENSIONS else reference) + suffix


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return safe paths, of which no two are equal where case does not count. Duplicates are numbered.

    No path is a folder of another one.
    """
    paths = [safe_path(name) for name in names]
    used = {_compared(name) for name in taken}
    used |= {_compared(folder) for path in paths for folder in _folders_of(path)}
    unique, numbers = list[str](), dict[str, int]()
    for path in paths:
        candidate, compared = path, _compared(path)
        number = numbers.get(compared, 2)
        while _compared(candidate) in used:
            candidate, number = _numbered(path, number), number + 1
        numbers[compared] = number
        used.add(_compared(candidate))
        unique.append(candidate)
    return unique


def _folders_of(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _is_hidden(character: str) -> bool:
    return character in BIDI_CONTROLS or unicodedata.category(character) in HIDDEN_CATEGORIES


def _compared(name: str) -> str:
    """Return the name as a file system compares it that ignores case and forms of Unicode."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _numbered(name: str, number: int) -> str:
    folder, slash, last = name.rpartition("/")
    path, mark = PurePosixPath(last), f" ({number})"
    stem, suffix = path.stem, path.suffix
    return folder + slash + _shortened(stem, LONGEST_BYTES - len(mark) - len(suffix.encode())) + mark + suffix


def _shortened(name: str, most: int) -> str:
    """Return the name with at most `most` bytes in UTF-8. It is cut before its extension."""
    if len(name.encode()) <= most:
        return name
    suffix = PurePosixPath(name).suffix
    suffix = suffix if len(suffix.encode()) <= LONGEST_SUFFIX else ""
    room = most - len(suffix.encode())
    stem = name.removesuffix(suffix).encode()[:room].decode(errors="ignore")
    return stem.rstrip(". ") + suffix
