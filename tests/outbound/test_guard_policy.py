"""Operators open what they name, and no more."""

import asyncio
import base64
from ipaddress import ip_address

import pytest

from outbound.guard.client import Client
from outbound.guard.names import Names
from outbound.guard.policy import Policy, to_policy
from outbound.guard.refused import Reason, Refused
from outbound.guard.urls import check_url
from tests.outbound.servers import answer, host, nameserver


def refusal(text: str, policy: Policy) -> Reason | None:
    """Return why the text alone is refused; None if it is not."""
    try:
        check_url(text, policy)
    except Refused as refused:
        return refused.reason
    return None


def test_an_allowed_network_opens_its_addresses_and_no_port_or_scheme() -> None:
    policy = to_policy(["10.0.0.0/8"])

    assert refusal("https://10.1.2.3/", policy) is None
    assert refusal("https://[::ffff:10.1.2.3]/", policy) is None
    assert refusal("https://11.0.0.1/", policy) is None
    assert refusal("https://192.168.0.1/", policy) == Reason.ADDRESS_REFUSED
    assert refusal("http://10.1.2.3/", policy) == Reason.SCHEME_REFUSED
    assert refusal("https://10.1.2.3:9000/", policy) == Reason.PORT_REFUSED


def test_an_allowed_host_opens_its_name_alone() -> None:
    policy = to_policy(["hooks.internal", "*.apps.internal", "intranet"])

    assert refusal("https://hooks.internal/", policy) is None
    assert refusal("https://a.b.apps.internal/", policy) is None
    assert refusal("https://intranet/", policy) is None
    assert refusal("https://apps.internal/", policy) == Reason.ADDRESS_REFUSED
    assert refusal("https://other.internal/", policy) == Reason.ADDRESS_REFUSED
    assert refusal("https://nothooks.internal/", policy) == Reason.ADDRESS_REFUSED
    assert refusal("https://10.0.0.1/", policy) == Reason.ADDRESS_REFUSED


def test_an_allowed_origin_opens_one_port_and_scheme() -> None:
    policy = to_policy(["http://n8n.internal:5678", "http://[fd00::1]:8080", "http://192.168.0.7"])

    assert refusal("http://n8n.internal:5678/hook", policy) is None
    assert refusal("http://[fd00:0::1]:8080/", policy) is None
    assert refusal("http://192.168.0.7/", policy) is None
    assert refusal("https://n8n.internal:5678/", policy) == Reason.PORT_REFUSED
    assert refusal("http://n8n.internal/", policy) == Reason.SCHEME_REFUSED
    assert refusal("https://n8n.internal/", policy) == Reason.ADDRESS_REFUSED
    assert refusal("http://example.com:5678/", policy) == Reason.SCHEME_REFUSED


def test_a_denied_network_is_refused_also_where_it_is_public_or_allowed() -> None:
    policy = to_policy(["10.0.0.0/8"], deny=["10.0.0.0/24", "8.8.8.0/24"])

    assert refusal("https://10.0.1.1/", policy) is None
    assert refusal("https://10.0.0.1/", policy) == Reason.ADDRESS_REFUSED
    assert refusal("https://[::ffff:10.0.0.1]/", policy) == Reason.ADDRESS_REFUSED
    assert refusal("https://8.8.8.8/", policy) == Reason.ADDRESS_REFUSED


@pytest.mark.parametrize("entry", ["0.0.0.0/0", "169.254.0.0/16", "169.254.169.254/31", "inside.example.com"])
def test_only_its_own_address_allows_a_metadata_service(entry: str) -> None:
    address = ip_address("169.254.169.254")
    origin = ("https", "inside.example.com", 443)

    assert not to_policy([entry]).allows(origin, address)
    assert to_policy(["169.254.169.254"]).allows(origin, address)


def test_http_is_allowed_as_a_whole_with_its_own_port() -> None:
    policy = to_policy([], http_is_allowed=True)

    assert refusal("http://example.com/", policy) is None
    assert refusal("http://example.com:8443/", policy) is None
    assert refusal("https://example.com:80/", policy) == Reason.PORT_REFUSED
    assert refusal("http://127.0.0.1/", policy) == Reason.ADDRESS_REFUSED


@pytest.mark.parametrize(
    ("allow", "ports", "proxy"),
    [
        (["10.0.0.1/8"], ["443"], ""),
        (["not a host"], ["443"], ""),
        (["ftp://example.com"], ["443"], ""),
        (["http://example.com/path"], ["443"], ""),
        ([], ["0"], ""),
        ([], ["65536"], ""),
        ([], ["9-8"], ""),
        ([], ["https"], ""),
        ([], ["443"], "proxy.internal:3128"),
        ([], ["443"], "socks5://proxy.internal:1080"),
    ],
)
def test_a_setting_that_is_not_understood_stops_the_start(
    allow: list[str], ports: list[str], proxy: str
) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        to_policy(allow, ports=ports, proxy=proxy)


async def test_a_host_that_the_operator_named_is_found_as_the_system_finds_it() -> None:
    """The hosts file has this name, and no nameserver is asked."""
    async with host(answer(b"photo")) as server, nameserver({}) as names:
        policy = to_policy([f"http://localhost:{server.port}", "127.0.0.1"])
        client = Client(policy, Names([names.server]))
        async with client.fetch(
            check_url(f"http://localhost:{server.port}/", policy), most_redirects=0
        ) as found:
            body = b"".join([piece async for piece in found.pieces()])

    assert body == b"photo"
    assert not names.questions


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with host(answer(b"direct")) as server, host(answer(b"by proxy"), "127.0.0.2") as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        policy = to_policy(["127.0.0.1"], ports=["1-65535"], http_is_allowed=True)
        async with Client(policy).fetch(check_url(server.url, policy), most_redirects=0) as found:
            body = b"".join([piece async for piece in found.pieces()])

    assert body == b"direct"
    assert proxy.connections == 0


async def test_a_proxy_gets_the_name_and_nothing_is_looked_up_or_connected_to_here() -> None:
    async with host(answer(b"by proxy")) as proxy, nameserver({}) as names:
        policy = to_policy([], http_is_allowed=True, proxy=f"http://loupe:p%40ss@127.0.0.1:{proxy.port}")
        client = Client(policy, Names([names.server]))
        async with client.fetch(check_url("http://photos.example.com/a", policy), most_redirects=0) as found:
            body = b"".join([piece async for piece in found.pieces()])

    assert body == b"by proxy"
    assert proxy.heads[0].startswith("GET http://photos.example.com/a HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'loupe:p@ss').decode()}" in proxy.heads[0]
    assert not names.questions


async def test_with_a_proxy_https_goes_through_a_tunnel_which_the_proxy_may_refuse() -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    async with host(reply) as proxy:
        policy = to_policy([], proxy=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(Refused) as caught:
            async with Client(policy).fetch(
                check_url("https://photos.example.com/a", policy), most_redirects=0
            ):
                pass

    assert proxy.heads[0].startswith("CONNECT photos.example.com:443 HTTP/1.1\r\n")
    assert caught.value.reason == Reason.ADDRESS_REFUSED


def test_a_proxy_changes_nothing_about_the_spelling() -> None:
    policy = to_policy([], proxy="http://proxy.internal:3128")

    for text in ("https://127.0.0.1/", "https://2130706433/", "https://[::1]/", "https://localhost/"):
        assert refusal(text, policy) is not None
