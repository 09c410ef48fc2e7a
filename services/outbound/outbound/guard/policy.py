"""Reads what operators allow beside the public internet."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from outbound.guard.addresses import METADATA, Address, Network, is_public, unwrapped

Origin = tuple[str, str, int]
"""Scheme, host and port of a URL."""
DEFAULT_PORTS = {"https": 443, "http": 80}
HOST_ENTRY = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for addresses that users choose. The default allows https to the public internet alone."""

    networks: tuple[Network, ...] = ()
    """Networks that are allowed although they are not public."""
    hosts: frozenset[str] = frozenset()
    """Host names, in lower case, whose addresses are not checked. `*.example.com` stands for all names below
    it.
    """
    origins: frozenset[Origin] = frozenset()
    """Origins to which neither the rules for ports and schemes nor those for addresses apply."""
    denied: tuple[Network, ...] = ()
    """Networks that are refused in any case, such as public addresses of internal servers."""
    ports: frozenset[range] = frozenset({range(443, 444), range(8443, 8444)})
    http_is_allowed: bool = False
    proxy: str = field(default="", repr=False)
    """The URL of a forward proxy that checks addresses itself; it may hold a password. Empty: Loupe connects
    itself.
    """

    def allows_port(self, port: int) -> bool:
        return any(port in ports for ports in self.ports)

    def names(self, origin: Origin) -> bool:
        """Return whether the operator named this origin, or its host."""
        host = origin[1]
        parents = host.split(".")
        wildcards = ("*." + ".".join(parents[start:]) for start in range(1, len(parents)))
        return origin in self.origins or host in self.hosts or bool(self.hosts.intersection(wildcards))

    def allows(self, origin: Origin, address: Address) -> bool:
        """Return whether Loupe may connect to this address for this origin."""
        forms = {address, unwrapped(address)}
        if any(form in network for form in forms for network in self.denied):
            return False
        networks = [network for form in forms for network in self.networks if form in network]
        if forms & METADATA:
            names_address = origin in self.origins and origin[1] in map(str, forms)
            return names_address or any(network.num_addresses == 1 for network in networks)
        return bool(networks) or is_public(address) or self.names(origin)


def to_policy(
    allow: Iterable[str],
    *,
    deny: Iterable[str] = (),
    ports: Iterable[str] = ("443", "8443"),
    http_is_allowed: bool = False,
    proxy: str = "",
) -> Policy:
    """Return the policy of these settings. Raise `ValueError`, which names the entry, if one is not
    understood.

    An entry of `allow` is a network, an address, a host name (also `*.example.com`) or an origin such as
    `http://hooks.internal:8080`. An entry of `ports` is a port or a range such as `8000-8099`.
    """
    networks: list[Network] = []
    hosts: set[str] = set()
    origins: set[Origin] = set()
    for entry in allow:
        if "://" in entry:
            origins.add(_to_origin(entry))
        elif network := _to_network(entry):
            networks.append(network)
        elif HOST_ENTRY.fullmatch(entry):
            hosts.add(entry.lower())
        else:
            raise ValueError(f"{entry!r} is neither a network nor a host name nor an origin")
    return Policy(
        networks=tuple(networks),
        hosts=frozenset(hosts),
        origins=frozenset(origins),
        denied=tuple(ip_network(entry) for entry in deny),
        ports=frozenset(map(_to_ports, ports)),
        http_is_allowed=http_is_allowed,
        proxy=_checked_proxy(proxy),
    )


def _to_network(entry: str) -> Network | None:
    try:
        return ip_network(entry.strip("[]"))
    except ValueError:
        if "/" in entry:
            raise
        return None


def _to_origin(entry: str) -> Origin:
    parts = urlsplit(entry)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or not _is_origin(parts):
        raise ValueError(f"{entry!r} is not an origin such as http://hooks.internal:8080")
    try:
        host = str(ip_address(parts.hostname))
    except ValueError:
        host = parts.hostname
    return parts.scheme, host, parts.port or DEFAULT_PORTS[parts.scheme]


def _is_origin(parts: SplitResult) -> bool:
    has_more = parts.path.strip("/") or parts.query or parts.fragment
    return not has_more and "@" not in parts.netloc


def _to_ports(entry: str) -> range:
    first, _, last = entry.partition("-")
    if not (first.isascii() and first.isdecimal() and (not last or (last.isascii() and last.isdecimal()))):
        raise ValueError(f"{entry!r} is neither a port nor a range of ports")
    found = range(int(first), int(last or first) + 1)
    if not found or found[0] < 1 or found[-1] > 65_535:
        raise ValueError(f"{entry!r} is no range of ports from 1 to 65535")
    return found


def _checked_proxy(proxy: str) -> str:
    parts = urlsplit(proxy)
    if proxy and (parts.scheme not in DEFAULT_PORTS or not parts.hostname):
        raise ValueError("the proxy is not a URL such as http://proxy.internal:3128")
    return proxy
