"""The address that a request without a token counts against. No client can choose it."""

from ipaddress import ip_address

import pytest

from gateway.identity.addresses import client_address
from tests.gateway.harness import a_request, settings_without_services

PROXIES = "10.0.0.0/8, 2001:db8:1::/48"


def address(client: str, *forwarded: str, trusted: str = PROXIES) -> str:
    headers = [("X-Forwarded-For", value) for value in forwarded]
    proxies = settings_without_services(trusted_proxies=trusted).trusted_proxies
    found = client_address(a_request(client=client, headers=headers), proxies)
    if found == "unknown":
        return found
    packed = bytes.fromhex(found)
    return str(ip_address(packed if len(packed) == 4 else packed.ljust(16, b"\0")))


@pytest.mark.parametrize("forged", ["1.2.3.4", "10.0.0.1", "1.2.3.4, 10.0.0.1", "", "nonsense", "::1"])
def test_a_header_from_outside_changes_nothing(forged: str) -> None:
    assert address("203.0.113.9", forged) == "203.0.113.9"
    assert address("203.0.113.9", forged, trusted="") == "203.0.113.9"


@pytest.mark.parametrize(
    ("client", "forwarded", "found"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4,10.9.9.9,203.0.113.9,10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("2001:db8:1::5", "2001:db8:2::7", "2001:db8:2::"),
        ("10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", " , 203.0.113.9 , ", "203.0.113.9"),
    ],
)
def test_behind_our_proxies_the_last_address_that_is_not_a_proxy_counts(
    client: str, forwarded: str, found: str
) -> None:
    assert address(client, forwarded) == found


def test_a_proxy_may_add_its_own_header_line() -> None:
    """HAProxy does this. The client's line comes first."""
    assert address("10.0.0.1", "1.2.3.4", "203.0.113.9") == "203.0.113.9"


def test_all_invalid_addresses_count_together() -> None:
    assert address("10.0.0.1", "limits.>") == "unknown"
    assert address("10.0.0.1", "1.2.3.4.5") == "unknown"
