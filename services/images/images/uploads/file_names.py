"""File names that came from clients, made safe to store, to show and to put into a header."""

import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

from images.formats.formats import KINDS, Format, extension

LONGEST = 255


def clean(filename: str) -> str:
    """The last part of a path, without control or direction characters, at most 255 characters."""
    last = filename.replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if unicodedata.category(character)[0] != "C").strip()
    if len(kept) > LONGEST:
        suffix = PurePosixPath(kept).suffix[:16]
        kept = kept[: LONGEST - len(suffix)] + suffix
    return kept or "image"


def of_result(filename: str, format_: Format) -> str:
    """The original's name, with another extension only where the format is another one."""
    path = PurePosixPath(filename)
    if path.suffix.lower().lstrip(".") in KINDS[format_].extensions:
        return filename
    return f"{path.stem if path.suffix else filename}.{extension(format_)}"


def disposition(filename: str) -> str:
    """`Content-Disposition` of a download (RFC 6266), with a plain fallback for old clients."""
    plain = "".join(
        character if character.isascii() and character not in '"\\%;' else "_" for character in filename
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def title(text: str) -> str | None:
    """A name for people to read, without control characters; None where nothing is left."""
    return "".join(character for character in text if unicodedata.category(character) != "Cc").strip() or None
