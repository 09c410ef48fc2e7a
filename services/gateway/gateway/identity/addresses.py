"""Finds the client's address, by which requests without a token are counted. No client can choose it."""

import functools
import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from starlette.requests import Request

IPV6_NETWORK_BYTES = 8
LONGEST_ADDRESS = 64
REMEMBERED = 4096
"""How many addresses this process need not read again."""

Networks = Sequence[IPv4Network | IPv6Network]


def client_address(request: Request, trusted_proxies: Networks) -> str:
    """Return the address in hexadecimal, or `unknown`.

    It is the last address in X-Forwarded-For that is not a trusted proxy's. For IPv6 it is only the network,
    because a client has all addresses in it.
    """
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))  # a proxy may add a second header
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    address = request.client.host if request.client else "0.0.0.0"  # noqa: S104  tests have no socket
    while hops and _is_trusted(address, trusted_proxies):
        address = hops.pop()
    parsed = _parse(address)
    return parsed.packed[:IPV6_NETWORK_BYTES].hex() if parsed else "unknown"


@functools.lru_cache(REMEMBERED)
def to_text(address: str) -> str:
    """Return an address from `client_address` as people write it: `192.0.2.1`, or `2001:db8::/64`."""
    if address == "unknown":
        return address
    packed = bytes.fromhex(address)
    if len(packed) < IPV6_NETWORK_BYTES:
        return str(ipaddress.ip_address(packed))
    return str(IPv6Network((packed.ljust(16, b"\0"), 8 * IPV6_NETWORK_BYTES)))


def _is_trusted(address: str, trusted_proxies: Networks) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in trusted_proxies)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """Return the address, or None if the text is none. A client may send any text."""
    return _parse_short(address) if len(address) <= LONGEST_ADDRESS else None


@functools.lru_cache(REMEMBERED)
def _parse_short(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):  # a socket for IPv4 and IPv6 shows IPv4 addresses in this form
        return parsed.ipv4_mapped or parsed
    return parsed
