"""Recognises files that may be pictures, by their first bytes. The server decides what it takes."""

from pathlib import Path

HEAD_BYTES = 16
STARTS = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG",
    b"GIF8",
    b"BM",
    b"II*\0",  # TIFF
    b"MM\0*",
    b"II+\0",  # BigTIFF
    b"MM\0+",
    b"\xff\x0a",  # JPEG XL
    b"\0\0\0\x0cJXL ",
)
SUFFIXES = {
    "jpeg": ".jpg",
    "jpg": ".jpg",
    "png": ".png",
    "webp": ".webp",
    "tiff": ".tif",
    "avif": ".avif",
    "jxl": ".jxl",
}
"""The suffix of a result by its format."""
SAME = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tiff": ".tif", ".apng": ".png"}
"""Suffixes that stand for the same format as another one."""
BECOMES = {".bmp": ".png", ".heic": ".jpg", ".heif": ".jpg", ".hif": ".jpg"}
"""Formats that are read and not written, and the usual suffix of their results."""


def may_be_picture(path: Path) -> bool:
    """Return whether a file begins like a picture. Raise `OSError` if it cannot be read."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    is_webp = head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    is_box = head[4:8] == b"ftyp"  # HEIC and AVIF, and videos, which the server refuses by their brand
    brand = head[8:12]
    is_video = brand in (b"isom", b"mp41", b"mp42", b"qt  ", b"M4V ", b"M4A ", b"3gp4", b"3gp5")
    return head.startswith(STARTS) or is_webp or (is_box and not is_video)


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
    return BECOMES.get(source_suffix.lower(), source_suffix)
