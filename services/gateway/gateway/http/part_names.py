"""Reads the name of a file from its part's `Content-Disposition`, in each of the ways that clients write it.

Headers are texts of Latin-1, of which every byte is a character.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from multipart import MultipartSegment

PARAMETER = re.compile(r""";\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"]*)""")
EXTENDED = re.compile(r"([^']*)'[^']*'([^']*(?:'[^']*)*)")
"""Charset and percent-encoded value (RFC 8187, 3.2)."""
ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?\s]*)\?=")
BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
NON_ASCII_ESCAPE = re.compile(r"%[89A-Fa-f][0-9A-Fa-f]")
CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "iso-8859-1": "latin-1", "us-ascii": "ascii", "windows-1252": "cp1252"
}  # fmt: skip


def filename_of(segment: MultipartSegment) -> str | None:
    """Return the name of the file, or None if the part has none. `filename*` wins over `filename`, and a
    whole name over one in pieces.
    """
    header = str(segment.header("Content-Disposition", ""))
    parameters: dict[str, str] = {name.lower(): value for name, value in PARAMETER.findall(header)}
    extended = _from_extended(parameters.get("filename*", "").strip().strip('"'))
    if extended is not None:
        return extended
    if "filename" not in parameters and (joined := _from_pieces(parameters)):
        return joined
    value = parameters.get("filename", "").strip()
    written = value.strip('"')
    name = _from_words(written) or _from_escapes(written)
    if name or segment.filename is None:
        return name
    # without quotes a name ends at its first space for the parser
    return decoded(segment.filename if value.startswith('"') else value or segment.filename)


def decoded(header: str) -> str:
    """Decode a header as UTF-8, which clients use today, or else as windows-1252, in which old clients write.

    Bytes that neither knows become replacement characters.
    """
    stored = header.encode("latin-1")
    try:
        return stored.decode("utf-8")
    except UnicodeDecodeError:
        return stored.decode("cp1252", "replace")


def _from_pieces(parameters: Mapping[str, str]) -> str | None:
    """Return a name that is cut into numbered pieces (RFC 2231, 3), as by JavaMail. None if it is damaged.

    A piece whose name ends in `*` is percent-encoded. The first such piece names the charset.
    """
    name, charset = b"", "utf-8"
    for number in range(len(parameters)):
        if (plain := parameters.get(f"filename*{number}")) is not None:
            name += plain.strip().strip('"').encode("latin-1")
            continue
        coded = parameters.get(f"filename*{number}*")
        if coded is None:
            break
        if number == 0:
            charset, _, coded = coded.partition("'")
            coded = coded.partition("'")[2]
        name += unquote_to_bytes(coded.strip().encode("latin-1"))
    return _decode(name, charset) if name else None


def _from_extended(value: str) -> str | None:
    """Return the name of a `filename*`, or None if it is absent or damaged."""
    found = EXTENDED.fullmatch(value)
    if not found or not found[2] or BROKEN_ESCAPE.search(found[2]):
        return None
    return _decode(unquote_to_bytes(found[2].encode("latin-1")), found[1])


def _from_words(value: str) -> str | None:
    """Return the name if it consists of encoded words (RFC 2047), which .NET sends.

    A long name has several words, and some clients cut it within a letter.
    """
    parts = list(ENCODED_WORD.finditer(value))
    if not parts or ENCODED_WORD.sub("", value).strip():
        return None
    charsets = {part[1].partition("*")[0].lower() for part in parts}  # a language may follow (RFC 2231, 5)
    pieces = [_bytes_of_word(part[2], part[3]) for part in parts]
    if None in pieces or len(charsets) != 1:
        return None
    return _decode(b"".join(piece for piece in pieces if piece), charsets.pop())


def _bytes_of_word(encoding: str, text: str) -> bytes | None:
    if encoding in "qQ":
        return binascii.a2b_qp(text, header=True)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _from_escapes(value: str) -> str | None:
    """Return the name if it is percent-encoded, as by aiohttp.

    At least one escape must stand for a letter beyond ASCII, for a file may well be called `my%20cat.png`.
    Browsers send such letters as they are.
    """
    if not value.isascii() or BROKEN_ESCAPE.search(value) or not NON_ASCII_ESCAPE.search(value):
        return None
    return _decode(unquote_to_bytes(value), "utf-8")


def _decode(data: bytes, charset: str) -> str | None:
    try:
        return data.decode(CHARSETS[charset.lower()])
    except (KeyError, UnicodeDecodeError):
        return None
