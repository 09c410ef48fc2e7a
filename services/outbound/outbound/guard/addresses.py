"""Says which IP addresses belong to the public internet.

The ranges are those of the IANA registries of special-purpose addresses. They stand here because
`ipaddress.is_global` gives different answers in different releases of Python.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's platform, although the address is global
            "169.254.0.0/16",  # link-local, and the metadata services of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments, and Oracle's metadata service
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")
"""The only range of global unicast addresses. v4-mapped, NAT64, local and multicast ones are outside."""
SPECIAL_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which embeds any IPv4 address
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
METADATA = frozenset(
    map(
        ip_address,
        (
            "168.63.129.16",  # Azure
            "169.254.169.254",  # AWS, Azure, Google, Oracle, DigitalOcean, OpenStack
            "169.254.169.253",  # AWS: DNS
            "169.254.170.2",  # AWS: credentials of ECS
            "169.254.170.23",  # AWS: credentials of EKS
            "169.254.0.23",  # Tencent
            "169.254.42.42",  # Scaleway
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS: credentials of EKS
            "fd20:ce::254",  # Google
            "fd00:c1::a9fe:a9fe",  # Oracle
            "fe80::a9fe:a9fe",  # OpenStack
        ),
    )
)
"""Services that give a machine's credentials to any client. Only an entry for exactly one allows it."""


def is_public(address: Address) -> bool:
    """Return whether this is a global unicast address that no IPv4 address hides in."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_V4)
    return (
        address.scope_id is None
        and address in GLOBAL_V6
        and not any(address in network for network in SPECIAL_V6)
    )


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address in a v4-mapped IPv6 address, or the address itself."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
