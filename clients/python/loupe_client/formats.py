"""The image formats of Loupe. Generated from imagefile.formats by `make client`: do not edit."""

import re
from typing import Literal, NamedTuple

Choice = Literal["jpeg", "jpg", "png", "webp", "tiff", "avif", "jxl"]
"""The values of `output_format`."""
LONGEST_RESULT_SIDE = 16384
"""In pixels. Some formats have less."""


class FileFormat(NamedTuple):
    suffixes: tuple[str, ...]
    """The usual one first."""
    choices: tuple[str, ...]
    """The values of `output_format` that stand for it. Empty if clients cannot choose it."""
    result_suffix: str
    """The usual suffix of a result, if the client chooses no format."""
    is_for_browsers: bool
    """Whether all common browsers show such files."""
    signature: re.Pattern[bytes] | None
    """Matches the first bytes of a file. None if such files are not read."""


FORMATS = (
    FileFormat((".jpg", ".jpeg", ".jfif"), ("jpeg", "jpg"), ".jpg", True, re.compile(b"\\xff\\xd8\\xff")),
    FileFormat((".png",), ("png",), ".png", True, re.compile(b"\x89PNG\\\r\\\n\x1a\\\n")),
    FileFormat((".webp",), ("webp",), ".webp", True, re.compile(b"RIFF.{4}WEBPVP8[ LX]", re.DOTALL)),
    FileFormat((".bmp",), (), ".png", True, re.compile(b"BM")),
    FileFormat(
        (".tiff", ".tif"),
        ("tiff",),
        ".tiff",
        False,
        re.compile(b"II\\*\\0|MM\\0\\*|II\\0\\*|MM\\*\\0|II\\+\\0|MM\\0\\+"),
    ),
    FileFormat((".gif",), (), ".gif", True, re.compile(b"GIF8[79]a")),
    FileFormat(
        (".avif",),
        ("avif",),
        ".avif",
        True,
        re.compile(b"(?s).{4}ftyp(?:avi[fs]|(?:mif1|msf1|miaf).{4}(?:.{4}){0,7}avi[fs])", re.DOTALL),
    ),
    FileFormat(
        (".jxl",), ("jxl",), ".jxl", False, re.compile(b"\\xff\\x0a|\x00\x00\x00\\\x0cJXL\\ \\\r\\\n\x87\\\n")
    ),
    FileFormat(
        (".heic", ".heif", ".hif"),
        (),
        ".jpg",
        False,
        re.compile(b".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL),
    ),
)
