"""Makes names that clients choose safe to store, to show and to send in a header."""

import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

from common import labels
from imagefile.formats import FORMATS, Format, extension

LONGEST = 255


def clean(filename: str) -> str:
    """Return the last part of a path without invisible characters, or `image` if nothing is left.

    It has at most 255 characters. A long name is cut before its extension.
    """
    last = filename.replace("\\", "/").rpartition("/")[2]
    printable = "".join(character for character in last if unicodedata.category(character)[0] != "C").strip()
    if len(printable) > LONGEST:
        suffix = PurePosixPath(printable).suffix[:16]
        printable = printable[: LONGEST - len(suffix)] + suffix
    return printable or "image"


def for_result(filename: str, format_: Format) -> str:
    """Return the original's name, with another extension if the result has another format."""
    path = PurePosixPath(filename)
    if path.suffix.lower().lstrip(".") in FORMATS[format_].extensions:
        return filename
    return f"{path.stem if path.suffix else filename}.{extension(format_)}"


def format_of(path: str) -> Format:
    """Return the format of a stored file by its extension. Raise `ValueError` for an unknown one."""
    suffix = path.rpartition(".")[2]
    for name in FORMATS:
        if suffix == extension(name):
            return name
    raise ValueError(f"no format has the extension {suffix!r}")


def disposition(filename: str) -> str:
    """Return the `Content-Disposition` of a download (RFC 6266), with an ASCII fallback for old clients."""
    plain = "".join(
        character if character.isascii() and character not in '"\\%;' else "_" for character in filename
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def title(text: str) -> str | None:
    """Return a batch's name without characters that no label may have, or None if nothing is left."""
    return labels.without_forbidden(text).strip() or None
