"""Sends one HTTP request to an address that a user chose, under the guard, and streams the answer.

Each request has its own connection, HTTP/1.1, no cookies, no credentials of its own, and ignores the proxies
of the environment. It follows no redirect; `fetch` does, and checks each anew.
"""

import contextlib
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

import httpcore2

from outbound.guard.connection import Budget, CheckedBackend, too_large
from outbound.guard.content import decoded
from outbound.guard.failures import refusing
from outbound.guard.names import Names
from outbound.guard.policy import DEFAULT_PORTS, Policy
from outbound.guard.refused import Reason, Refused
from outbound.guard.urls import CheckedUrl, check_url

HEADER_BYTES = 256 << 10
"""Bytes that may arrive beside a body: headers, framing, TLS."""
USER_AGENT = "Loupe"
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one request, and of all its redirects together."""

    seconds: float = 30.0
    """From the lookup of the name to the last byte of the answer, whatever happens between."""
    connect_seconds: float = 5.0
    """For each address that is tried."""
    body_bytes: int = 10 << 20
    """The largest answer, compressed or not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose headers have arrived."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case. The last one counts if there are several."""
    url: CheckedUrl
    _pieces: AsyncIterator[bytes]
    _limit_bytes: int

    @property
    def declared_bytes(self) -> int:
        """The length of the body as the header says; 0 if it does not."""
        length = self.headers.get("content-length", "")
        return int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else 0

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield the decompressed body. Raise `Refused` as soon as it exceeds its limit."""
        if self.declared_bytes > self._limit_bytes:
            raise too_large(self._limit_bytes)
        total = 0
        async for piece in decoded(self._pieces, self.headers.get("content-encoding", "")):
            total += len(piece)
            if total > self._limit_bytes:
                raise too_large(self._limit_bytes)
            yield piece


class Client:
    """Sends requests under one policy. `ca_file` names certificates to trust beside the system's."""

    def __init__(self, policy: Policy, names: Names | None = None, ca_file: str = "") -> None:
        self.policy = policy
        self.names = names or Names()
        self._tls = ssl.create_default_context()
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca_file:
            self._tls.load_verify_locations(ca_file)

    @contextlib.asynccontextmanager
    async def request(
        self,
        method: str,
        url: CheckedUrl,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        limits: Limits = Limits(),
    ) -> AsyncGenerator[Answer]:
        """Send the request, and give the answer as soon as its headers are there. Raise `Refused` for any
        failure, also while the body is read.
        """
        async with (
            refusing(limits.seconds),
            self._exchange(method, url, headers or {}, body, limits) as answer,
        ):
            yield answer

    @contextlib.asynccontextmanager
    async def fetch(
        self, url: CheckedUrl, *, most_redirects: int, limits: Limits = Limits()
    ) -> AsyncGenerator[Answer]:
        """Get what is behind the URL. Follow redirects, and check each as if a user had chosen it."""
        async with refusing(limits.seconds), contextlib.AsyncExitStack() as stack:
            for _ in range(most_redirects + 1):
                answer = await stack.enter_async_context(self._exchange("GET", url, {}, b"", limits))
                if answer.status not in REDIRECTS or not (location := answer.headers.get("location")):
                    yield answer
                    return
                await stack.aclose()
                url = self._redirected(url, location)
            raise Refused(
                Reason.TOO_MANY_REDIRECTS, f"The {{field}} redirects more than {most_redirects} times."
            )

    def _redirected(self, url: CheckedUrl, location: str) -> CheckedUrl:
        try:
            return check_url(urljoin(str(url), location), self.policy)
        except Refused as error:
            raise error.of_redirect() from error

    @contextlib.asynccontextmanager
    async def _exchange(
        self, method: str, url: CheckedUrl, headers: Mapping[str, str], body: bytes, limits: Limits
    ) -> AsyncGenerator[Answer]:
        request = _to_request(method, url, headers, body)
        async with await self._pool(url, limits) as pool:
            response = await pool.handle_async_request(request)
            try:
                names = (
                    (name.decode("latin-1").lower(), value.decode("latin-1"))
                    for name, value in response.headers
                )
                yield Answer(response.status, dict(names), url, response.aiter_stream(), limits.body_bytes)
            finally:
                await response.aclose()

    async def _pool(self, url: CheckedUrl, limits: Limits) -> httpcore2.AsyncConnectionPool:
        """Return a pool for one connection to the checked addresses of this URL, or to the proxy."""
        budget = Budget(limits.body_bytes, HEADER_BYTES)
        if proxy := self.policy.proxy:
            return self._proxy_pool(proxy, CheckedBackend((), limits.connect_seconds, budget))
        addresses = await self.names.resolve(url, self.policy)
        backend = CheckedBackend(addresses, limits.connect_seconds, budget)
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._tls, max_connections=1, network_backend=backend
        )

    def _proxy_pool(self, proxy: str, backend: CheckedBackend) -> httpcore2.AsyncHTTPProxy:
        parts = urlsplit(proxy)
        auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        return httpcore2.AsyncHTTPProxy(
            httpcore2.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=b"/"),
            proxy_auth=auth,
            ssl_context=self._tls,
            proxy_ssl_context=self._tls if parts.scheme == "https" else None,
            max_connections=1,
            network_backend=backend,
        )


def _to_request(method: str, url: CheckedUrl, headers: Mapping[str, str], body: bytes) -> httpcore2.Request:
    if any(CONTROL.search(part) for header in headers.items() for part in header):
        raise ValueError("a header has a control character")
    own = {
        "host": url.authority,
        "connection": "close",
        "accept-encoding": "identity",
        "content-length": str(len(body)),
    }
    if method == "GET":
        del own["content-length"]
    defaults = {"user-agent": USER_AGENT, "accept": "*/*"}
    of_caller = {name.lower(): value for name, value in headers.items()}
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = None if url.port == DEFAULT_PORTS[url.scheme] else url.port
    return httpcore2.Request(
        method,
        httpcore2.URL(scheme=url.scheme, host=host, port=port, target=url.target),
        headers=list((defaults | of_caller | own).items()),
        content=body,
        extensions={"sni_hostname": url.host},
    )
