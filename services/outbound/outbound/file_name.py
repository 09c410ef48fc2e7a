"""Finds the name of a file that a link leads to."""

from email.message import Message
from urllib.parse import unquote

from outbound.guard.client import Answer

LONGEST_HEADER = 4096
"""Characters of a Content-Disposition that is read. Its parser takes long for very long ones."""


def file_name(answer: Answer) -> str:
    """Return the name from the Content-Disposition (RFC 6266, RFC 8187), else the last part of the path."""
    return _from_header(answer.headers.get("content-disposition", "")) or _from_path(answer.url.target)


def _from_header(header: str) -> str:
    if not header or len(header) > LONGEST_HEADER:
        return ""
    message = Message()
    message["Content-Disposition"] = header
    parameters = message.get_params([], header="Content-Disposition")
    names = [value for name, value in parameters if name.lower() == "filename"]
    extended = [value[2] for value in names if isinstance(value, tuple)]
    plain = [value for value in names if not isinstance(value, tuple)]
    return _decoded(next(iter((*extended, *plain)), ""))


def _decoded(text: str) -> str:
    """Return a text of a header, whose bytes are UTF-8 nearly everywhere."""
    value = text.encode("latin-1", "replace")
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _from_path(target: str) -> str:
    return unquote(target.partition("?")[0].rpartition("/")[2], errors="replace")
