"""The cookie of the console's session: when it counts, and how it is set.

A cookie counts only for requests that this server's own pages make. A page of another site cannot make one:
the browser names the page's origin, and sends the header below only where the server has allowed it.
"""

from http.cookies import CookieError, SimpleCookie
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from fastapi import Response
from starlette.requests import Request

from gateway.settings import is_loopback

HEADER = "X-Loupe-Console"
SECURE_NAME, LOOPBACK_NAME = "__Host-loupe_session", "loupe_session"
"""Browsers take a cookie whose name begins with `__Host-` only over https, and only from the host itself."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
SAME_SITE: Literal["strict"] = "strict"
LIFETIME_SECONDS = 30 * 24 * 3600


class Credential(NamedTuple):
    """The text that a request shows, which may be empty, and whether it is a session of the console."""

    text: str
    is_console_session: bool = False


def credential_of(request: Request, public_url: str) -> Credential:
    """Return what the request shows. A bearer header wins over a cookie, also if its token is not valid."""
    if "authorization" in request.headers:
        scheme, _, text = request.headers["authorization"].partition(" ")
        return Credential(text.strip() if scheme.lower() == "bearer" else "")
    return Credential(_session_of(request, public_url), is_console_session=True)


def is_from_console(request: Request, public_url: str) -> bool:
    """Return whether a page of this server sent the request, so that its cookie counts."""
    origin = request.headers.get("origin")
    if request.method in SAFE_METHODS:
        return origin is None or origin in _own_origins(request, public_url)
    return origin in _own_origins(request, public_url) and request.headers.get(HEADER) == "1"


def may_have_cookie(request: Request) -> bool:
    """Return whether a browser would keep the cookie that an answer to this request sets."""
    return _is_https(request) or is_loopback(urlsplit(request.headers.get("origin", "")).hostname or "")


def set_cookie(request: Request, response: Response, session: str) -> None:
    """Give the session to the browser. With an empty text, take it away."""
    is_https = _is_https(request)
    response.set_cookie(
        SECURE_NAME if is_https else LOOPBACK_NAME,
        session,
        max_age=LIFETIME_SECONDS if session else 0,
        path="/",
        secure=is_https,
        httponly=True,
        samesite=SAME_SITE,
    )


def _session_of(request: Request, public_url: str) -> str:
    header = "; ".join(request.headers.getlist("cookie"))
    if LOOPBACK_NAME not in header or not is_from_console(request, public_url):
        return ""
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return ""
    names = [SECURE_NAME, *([LOOPBACK_NAME] if is_loopback(request.url.hostname or "") else [])]
    return next((cookies[name].value for name in names if name in cookies), "")


def _is_https(request: Request) -> bool:
    return request.headers.get("origin", "").startswith("https://")


def _own_origins(request: Request, public_url: str) -> set[str]:
    """Return the origins of this server's pages: its public address, and the loopback if that was called."""
    public = urlsplit(public_url)
    origins = {f"{public.scheme}://{public.netloc}"} if public.netloc else set[str]()
    if is_loopback(request.url.hostname or ""):
        origins.add(f"http://{request.headers.get('host', '')}")
    return origins
