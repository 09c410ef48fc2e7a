"""Whose bucket a request without a token counts in: the address that no client can choose."""

from ipaddress import ip_address

import pytest

from gateway import backend
from gateway.identity.access import _address
from gateway.settings import Settings
from tests.gateway.gateway_rig import a_request

PROXIES = "10.0.0.0/8, 2001:db8:1::/48"


async def address(client: str, *forwarded: str, trusted: str = PROXIES) -> str:
    settings = Settings(
        nats_url="nats://127.0.0.1:1",
        auth_target="127.0.0.1:1",
        billing_target="127.0.0.1:1",
        images_target="127.0.0.1:1",
        client_secret="x",  # pyright: ignore[reportArgumentType]
        trusted_proxies=trusted,  # pyright: ignore[reportArgumentType]
    )
    connected = backend.connect(settings)
    headers = [("X-Forwarded-For", value) for value in forwarded]
    found = _address(connected, a_request(client=client, headers=headers))
    for channel in connected.channels:
        await channel.close()
    if found == "unknown":
        return found
    packed = bytes.fromhex(found)
    return str(ip_address(packed if len(packed) == 4 else packed.ljust(16, b"\0")))


@pytest.mark.parametrize("forged", ["1.2.3.4", "10.0.0.1", "1.2.3.4, 10.0.0.1", "", "nonsense", "::1"])
async def test_a_header_from_outside_changes_nothing(forged: str) -> None:
    assert await address("203.0.113.9", forged) == "203.0.113.9"
    assert await address("203.0.113.9", forged, trusted="") == "203.0.113.9"


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
async def test_behind_our_proxies_it_is_the_last_address_that_they_did_not_write(
    client: str, forwarded: str, found: str
) -> None:
    assert await address(client, forwarded) == found


async def test_a_proxy_that_adds_a_line_of_its_own_is_heard_too() -> None:
    """As HAProxy does: the client's line comes first."""
    assert await address("10.0.0.1", "1.2.3.4", "203.0.113.9") == "203.0.113.9"


async def test_what_is_no_address_shares_one_bucket() -> None:
    assert await address("10.0.0.1", "limits.>") == "unknown"
    assert await address("10.0.0.1", "1.2.3.4.5") == "unknown"
