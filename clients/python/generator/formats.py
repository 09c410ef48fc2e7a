"""Renders the table of image formats for the Python client and for the console."""

import json
import re
from collections.abc import Iterator

from imagefile.formats import FORMATS, FormatInfo, extension
from loupe.contract import LONGEST_OUTPUT_SIDE

ABOUT = "The image formats of Loupe. Generated from imagefile.formats by `make client`: do not edit."


def render_python() -> str:
    """Return the module `loupe_client.formats`."""
    choices = [choice for info in FORMATS.values() if info.writing for choice in info.writing.choices]
    entries = "".join(f"    FileFormat({', '.join(_values(info))}),\n" for info in FORMATS.values())
    return f'''"""{ABOUT}"""

import re
from typing import Literal, NamedTuple

Choice = Literal[{", ".join(map(repr, choices))}]
"""The values of `output_format`."""
LONGEST_RESULT_SIDE = {LONGEST_OUTPUT_SIDE}
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
{entries})
'''


def _values(info: FormatInfo) -> Iterator[str]:
    """Yield the fields of a `FileFormat` as Python code."""
    yield repr(tuple(f".{each}" for each in info.extensions))
    yield repr(info.writing.choices if info.writing else ())
    result = info.becomes if info.becomes and not info.writing else None
    yield repr(f".{extension(result) if result else info.extensions[0]}")
    yield repr(info.is_for_browsers)
    if not info.reading:
        yield "None"
        return
    pattern = info.reading.signature
    flags = ", re.DOTALL" if pattern.flags & re.DOTALL else ""
    yield f"re.compile({pattern.pattern!r}{flags})"


def render_typescript() -> str:
    """Return the console's module `api/formats`."""
    entries = "".join(f"  {json.dumps(_entry(info))},\n" for info in FORMATS.values())
    return f"""/** {ABOUT} */
export interface FileFormat {{
  title: string;
  mediaType: string;
  suffixes: readonly string[];
  /** The value of `output_format`. Null if a person cannot choose it. */
  choice: string | null;
  isRead: boolean;
  /** Whether all common browsers show such files. */
  isForBrowsers: boolean;
}}

export const FORMATS: readonly FileFormat[] = [
{entries}];
"""


def _entry(info: FormatInfo) -> dict[str, object]:
    choices = info.writing.choices if info.writing else ()
    usual = info.extensions[0]
    return {
        "title": info.title,
        "mediaType": info.media_type,
        "suffixes": [f".{each}" for each in info.extensions],
        "choice": usual if usual in choices else next(iter(choices), None),
        "isRead": bool(info.reading),
        "isForBrowsers": info.is_for_browsers,
    }
