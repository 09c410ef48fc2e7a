"""Checks the text of a URL that a user chose, without asking DNS.

Parsers disagree about odd spellings, and attacks use that. So an odd spelling is refused instead of
interpreted, and the rest of Loupe sees only the parts of a `CheckedUrl`.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

import idna

from outbound.guard.addresses import Address
from outbound.guard.policy import DEFAULT_PORTS, Origin, Policy
from outbound.guard.refused import Reason, Refused

LONGEST_URL = 2048
"""Characters of a URL."""
LONGEST_HOST = 253
"""Characters of a host name (RFC 1035)."""
SPLIT = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<target>[^#]*)(?P<fragment>#.*)?"
)
AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(:(?P<port>[1-9][0-9]{0,4}))?")
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
LAST_LABEL_OF_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A host whose last label looks so is an IPv4 address for some parsers (WHATWG URL, "ends in a number")."""
LOOPBACK_ADDRESSES: tuple[Address, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
"""The addresses of `localhost`, which needs no lookup (RFC 6761)."""
LOCAL_NAMES = frozenset(
    {
        "alt",
        "arpa",
        "corp",
        "example",
        "home",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "mail",
        "onion",
        "test",
    }
)
"""Top-level names that the public internet does not have, or not for this (RFC 6761, RFC 6762, ICANN)."""
SPELLING = "The {field} must be a URL such as https://example.com/"


@dataclass(frozen=True, slots=True)
class CheckedUrl:
    """A URL whose text the guard has checked. Its addresses are checked later, when it is called."""

    scheme: str
    host: str
    """A name in lower case and ASCII without a trailing dot, or an IP address without brackets."""
    port: int
    target: str
    """Path and query, percent-encoded."""

    @property
    def address(self) -> Address | None:
        """The IP address if the URL has one instead of a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def origin(self) -> Origin:
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def check_url(text: str, policy: Policy) -> CheckedUrl:
    """Return the URL in its normal form. Raise `Refused` if the policy refuses it whatever DNS says."""
    parts = _split(text)
    scheme = parts["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise Refused(Reason.SCHEME_REFUSED, "The {field} must begin with https://.")
    if "@" in parts["authority"]:
        raise _unclear("without a user name or password")
    authority = AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise _unclear("with a plain host name and port")
    host = _to_host(authority["host"])
    port = int(authority["port"] or DEFAULT_PORTS[scheme])
    url = CheckedUrl(scheme, host, port, _to_target(parts["target"]))
    _check_rules(url, policy)
    return url


def address_refused() -> Refused:
    return Refused(
        Reason.ADDRESS_REFUSED, "The {field} leads to an address that is not on the public internet."
    )


def is_localhost(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _split(text: str) -> re.Match[str]:
    if len(text) > LONGEST_URL:
        raise Refused(Reason.URL_INVALID, f"The {{field}} may not have more than {LONGEST_URL} characters.")
    if any(not one.isprintable() or one.isspace() for one in text):
        raise _unclear("without spaces and control characters")
    if "\\" in text:
        raise _unclear("without backslashes")
    parts = SPLIT.fullmatch(text)
    if parts is None:
        raise Refused(Reason.URL_INVALID, f"{SPELLING}.")
    return parts


def _unclear(need: str) -> Refused:
    return Refused(Reason.URL_INVALID, f"{SPELLING}, {need}.")


def _to_host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except AddressValueError as error:
            raise _unclear("with an IPv6 address in its usual spelling") from error
    host = (text if text.isascii() else _to_ascii(text)).lower().removesuffix(".")
    labels = host.split(".")
    if LAST_LABEL_OF_NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(text))
        except AddressValueError as error:
            raise _unclear("with an IPv4 address as four decimal numbers") from error
    if len(host) > LONGEST_HOST or not all(map(LABEL.fullmatch, labels)):
        raise _unclear("with a plain host name")
    return host


def _to_ascii(text: str) -> str:
    """Return an internationalised name as DNS has it (UTS 46, IDNA 2008)."""
    if len(text) > LONGEST_HOST:
        raise _unclear("with a shorter host name")
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode()
    except idna.IDNAError as error:
        raise _unclear("with a valid host name") from error


def _to_target(text: str) -> str:
    """Return path and query with each character percent-encoded that HTTP does not allow in them."""
    return quote(text if text.startswith("/") else f"/{text}", safe="/%:?@!$&'()*+,;=-._~")


def _check_rules(url: CheckedUrl, policy: Policy) -> None:
    is_named = policy.names(url.origin)
    if url.origin not in policy.origins:
        if url.scheme == "http" and not policy.http_is_allowed:
            raise Refused(Reason.SCHEME_REFUSED, "The {field} must begin with https://.")
        if not policy.allows_port(url.port) and (url.scheme, url.port) != ("http", DEFAULT_PORTS["http"]):
            raise Refused(Reason.PORT_REFUSED, f"The {{field}} may not have the port {url.port}.")
    known = (url.address,) if url.address else LOOPBACK_ADDRESSES if is_localhost(url.host) else ()
    if not all(policy.allows(url.origin, address) for address in known):
        raise address_refused()
    # where operators allow networks, names of these networks are theirs, and their addresses decide
    if not (known or is_named or policy.networks) and _is_local(url.host):
        raise address_refused()


def _is_local(host: str) -> bool:
    """Return whether the name means something in a local network alone."""
    return "." not in host or host.rpartition(".")[2] in LOCAL_NAMES
