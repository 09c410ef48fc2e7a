"""Which heads of requests are taken: stricter than the parser, so that a proxy in front and we never read one
differently.
"""

import re

import httptools

from gateway.http.error_answers import HeadersTooLarge, Malformed, TargetTooLong

LARGEST_HEAD = 64 << 10
LONGEST_TARGET = 8 << 10
MOST_HEADERS = 100
UPGRADE_HEADERS = {b"connection", b"http2-settings", b"upgrade"}
HOST = re.compile(rb"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

Headers = list[tuple[bytes, bytes]]


def target(url: bytes, method: bytes, headers: Headers) -> bytes:
    """Path and query. The host of a target that names one replaces the header's (RFC 9112, 3.2.2)."""
    if len(url) > LONGEST_TARGET:
        raise target_too_long()
    if b"%00" in url:
        raise malformed()
    if url.startswith(b"/") or (url, method) == (b"*", b"OPTIONS"):
        return url
    parsed = httptools.parse_url(url)
    if parsed.schema not in (b"http", b"https") or not parsed.host:
        raise malformed()
    host = parsed.host + (b":%d" % parsed.port if parsed.port else b"")
    headers[:] = [(name, host if name == b"host" else value) for name, value in headers]
    return (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")


def check(version: str, headers: Headers) -> bool:
    """Whether a body follows."""
    if len(headers) > MOST_HEADERS:
        raise headers_too_large()
    size, hosts, has_body = 0, 0, False
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"host":
            hosts += 1
            if not HOST.fullmatch(value):
                raise malformed()
        elif name == b"content-length":
            has_body = value != b"0"
        elif name == b"transfer-encoding":
            has_body = True
            if version != "1.1" or value.lower() != b"chunked":
                raise malformed()
    if size > LARGEST_HEAD:
        raise headers_too_large()
    if version not in ("1.1", "1.0") or hosts > 1 or (hosts == 0 and version == "1.1"):
        raise malformed()
    return has_body


def is_upgrade(parser: httptools.HttpRequestParser) -> bool:
    """Of such a request the parser leaves the body to another protocol."""
    return parser.should_upgrade() and parser.get_method() != b"CONNECT"


def without_upgrade(method: bytes, url: bytes, version: str, headers: Headers) -> bytes:
    """The same head for HTTP/1.1 to stay with; what follows the request may be anything."""
    kept = [b"%s: %s" % each for each in headers if each[0] not in UPGRADE_HEADERS]
    first = b"%s %s HTTP/%s" % (method, url, version.encode())
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


def malformed() -> Malformed:
    return Malformed("The request is malformed.", reason="malformed_request")


def headers_too_large() -> HeadersTooLarge:
    return HeadersTooLarge("The request headers are too large.", reason="headers_too_large")


def target_too_long() -> TargetTooLong:
    return TargetTooLong("The request target is too long.", reason="target_too_long")
