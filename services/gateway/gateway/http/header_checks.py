"""Checks of request lines and headers.

They are stricter than the parser, so that a proxy in front of the gateway never reads a request differently
than the gateway does.
"""

import re

import httptools

from common import errors
from gateway.http.errors import HEADERS_TOO_LARGE, MALFORMED_REQUEST, TARGET_TOO_LONG

LARGEST_HEADERS_BYTES = 64 << 10
LONGEST_TARGET_BYTES = 8 << 10
MOST_HEADERS = 100
UPGRADE_HEADERS = {b"connection", b"http2-settings", b"upgrade"}
HOST = re.compile(rb"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

Headers = list[tuple[bytes, bytes]]


def check_target(url: bytes, method: bytes, headers: Headers) -> bytes:
    """Return path and query. A host in the target replaces the Host header in `headers` (RFC 9112, 3.2.2)."""
    if len(url) > LONGEST_TARGET_BYTES:
        raise errors.refused(TARGET_TOO_LONG)
    if b"%00" in url:
        raise errors.refused(MALFORMED_REQUEST)
    if url.startswith(b"/") or (url, method) == (b"*", b"OPTIONS"):
        return url
    parsed = httptools.parse_url(url)
    if parsed.schema not in (b"http", b"https") or not parsed.host:
        raise errors.refused(MALFORMED_REQUEST)
    host = parsed.host + (b":%d" % parsed.port if parsed.port else b"")
    headers[:] = [(name, host if name == b"host" else value) for name, value in headers]
    return (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")


def check_headers(version: str, headers: Headers) -> bool:
    """Return whether a body follows. Raise if the headers are refused."""
    if len(headers) > MOST_HEADERS:
        raise errors.refused(HEADERS_TOO_LARGE)
    size, hosts, has_body = 0, 0, False
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"host":
            hosts += 1
            if not HOST.fullmatch(value):
                raise errors.refused(MALFORMED_REQUEST)
        elif name == b"content-length":
            has_body = value != b"0"
        elif name == b"transfer-encoding":
            has_body = True
            if version != "1.1" or value.lower() != b"chunked":
                raise errors.refused(MALFORMED_REQUEST)
    if size > LARGEST_HEADERS_BYTES:
        raise errors.refused(HEADERS_TOO_LARGE)
    if version not in ("1.1", "1.0") or hosts > 1 or (hosts == 0 and version == "1.1"):
        raise errors.refused(MALFORMED_REQUEST)
    return has_body


def is_upgrade(parser: httptools.HttpRequestParser) -> bool:
    """True if the client requests another protocol. The parser does not read the body of such a request."""
    return parser.should_upgrade() and parser.get_method() != b"CONNECT"


def remove_upgrade(method: bytes, url: bytes, version: str, headers: Headers) -> bytes:
    """Return request line and headers without the upgrade.

    The connection closes after this request, because the client may already have sent bytes of the other
    protocol.
    """
    other_headers = [b"%s: %s" % header for header in headers if header[0] not in UPGRADE_HEADERS]
    request_line = b"%s %s HTTP/%s" % (method, url, version.encode())
    return b"\r\n".join([request_line, *other_headers, b"Connection: close", b"", b""])
