"""A name is looked up once, all its addresses are checked, and nothing but a checked one is connected to."""

import asyncio
from contextlib import suppress
from ipaddress import ip_network

import pytest

from outbound.guard.client import Client
from outbound.guard.names import MOST_ADDRESSES, Names
from outbound.guard.policy import Policy, to_policy
from outbound.guard.refused import Reason, Refused
from outbound.guard.urls import check_url
from tests.outbound.servers import Nameserver, answer, host, nameserver

PUBLIC, PRIVATE = "127.0.0.5", "127.0.0.6"
"""Both are loopback addresses. These tests allow the first, so that it can stand for the public internet."""
ALL_PORTS = frozenset({range(1, 65_536)})
POLICY = Policy(networks=(ip_network(PUBLIC),), ports=ALL_PORTS, http_is_allowed=True)


async def fetched(names: Nameserver, url: str, policy: Policy = POLICY) -> bytes:
    """Return what is behind the URL. Raise `Refused` if the guard refuses it."""
    client = Client(policy, Names([names.server]))
    async with client.fetch(check_url(url, policy), most_redirects=3) as found:
        return b"".join([piece async for piece in found.pieces()])


async def refusal(names: Nameserver, url: str, policy: Policy = POLICY) -> Refused:
    with pytest.raises(Refused) as caught:
        await fetched(names, url, policy)
    return caught.value


async def test_the_checked_address_is_connected_to_and_the_name_is_sent_as_host() -> None:
    records = {"photos.example.com": [[PUBLIC]]}
    async with nameserver(records) as names, host(answer(b"photo"), PUBLIC) as server:
        body = await fetched(names, f"http://photos.example.com:{server.port}/a.jpg?b=c")

    assert body == b"photo"
    assert server.heads[0].startswith("GET /a.jpg?b=c HTTP/1.1\r\n")
    assert f"\r\nhost: photos.example.com:{server.port}\r\n" in server.heads[0]


async def test_a_name_that_changes_to_a_private_address_after_the_check_leads_nowhere() -> None:
    records = {"rebind.example.com": [[PUBLIC], [PRIVATE]]}
    async with (
        nameserver(records) as names,
        host(answer(b"public"), PUBLIC) as server,
        host(answer(b"secret"), PRIVATE, server.port) as private,
    ):
        url = f"http://rebind.example.com:{server.port}/"
        first = await fetched(names, url)
        asked = dict(names.questions)
        second = await refusal(names, url)

    assert first == b"public"
    assert asked == {"A rebind.example.com": 1, "AAAA rebind.example.com": 1}
    assert second.reason == Reason.ADDRESS_REFUSED
    assert private.connections == 0


@pytest.mark.parametrize(
    "others", [[PRIVATE], ["10.0.0.1"], ["::1"], ["::ffff:127.0.0.6"], ["fd00:ec2::254"]]
)
async def test_one_address_that_is_not_public_refuses_the_name(others: list[str]) -> None:
    records = {"mixed.example.com": [[PUBLIC, *others]]}
    async with nameserver(records) as names, host(answer(), PUBLIC) as server:
        refused = await refusal(names, f"http://mixed.example.com:{server.port}/")

    assert refused.reason == Reason.ADDRESS_REFUSED
    assert server.connections == 0


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "168.63.129.16", "100.100.100.200", "0.0.0.0", "::", "::1",  # noqa: S104
     "fe80::1", "fd00::1", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:a00:1::", "::ffff:10.0.0.1"],
)  # fmt: skip
async def test_a_public_name_of_an_address_that_is_not_public_is_refused(address: str) -> None:
    async with nameserver({"inside.example.com": [[address]]}) as names:
        refused = await refusal(names, "https://inside.example.com/", Policy())

    assert refused.reason == Reason.ADDRESS_REFUSED
    assert address not in refused.text("image_url")


async def test_a_chain_of_names_is_judged_by_its_end() -> None:
    records = {
        "a.example.com": [["b.example.net"]],
        "b.example.net": [["metadata.google.internal"]],
        "metadata.google.internal": [["169.254.169.254"]],
    }
    async with nameserver(records) as names:
        refused = await refusal(names, "https://a.example.com/", Policy())

    assert refused.reason == Reason.ADDRESS_REFUSED


async def test_a_name_with_too_many_addresses_is_refused() -> None:
    addresses = [f"8.8.{number}.8" for number in range(MOST_ADDRESSES + 1)]
    async with nameserver({"many.example.com": [addresses]}) as names:
        refused = await refusal(names, "https://many.example.com/", Policy())

    assert refused.reason == Reason.ADDRESS_REFUSED


async def test_a_name_is_never_looked_up_in_a_search_domain() -> None:
    async with nameserver({}) as names:
        refused = await refusal(names, "https://photos.example.com/", Policy())

    assert refused.reason == Reason.NAME_NOT_FOUND
    assert set(names.questions) == {"A photos.example.com", "AAAA photos.example.com"}


async def test_a_name_without_addresses_is_not_found() -> None:
    async with nameserver({"empty.example.com": [[]]}) as names:
        refused = await refusal(names, "https://empty.example.com/", Policy())

    assert refused.reason == Reason.NAME_NOT_FOUND


async def test_a_nameserver_that_does_not_answer_ends_the_request() -> None:
    silent = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    server = f"127.0.0.1#{silent[0].get_extra_info('sockname')[1]}"
    client = Client(Policy(), Names([server], lookup_seconds=0.2))

    with pytest.raises(Refused) as caught:
        async with client.fetch(check_url("https://example.com/", Policy()), most_redirects=0):
            pass

    silent[0].close()
    assert caught.value.reason == Reason.LOOKUP_FAILED


async def test_the_next_address_is_tried_if_the_first_one_refuses() -> None:
    policy = to_policy(["127.0.0.0/8"], ports=["1-65535"], http_is_allowed=True)
    records = {"two.example.com": [[PRIVATE, PUBLIC]]}
    async with nameserver(records) as names, host(answer(b"second"), PUBLIC) as server:
        body = await fetched(names, f"http://two.example.com:{server.port}/", policy)

    assert body == b"second"


async def test_a_redirect_is_checked_like_the_first_url() -> None:
    records = {"inside.example.com": [[PRIVATE]], "outside.example.com": [[PUBLIC]]}
    async with nameserver(records) as names, host(answer(b"secret"), PRIVATE) as private:
        for target in (
            f"http://{PRIVATE}:{private.port}/",
            f"//{PRIVATE}:{private.port}/",
            f"http://inside.example.com:{private.port}/",
            "http://localhost/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:169.254.169.254]/",
            "http://2852039166/",
            "file:///etc/passwd",
            "gopher://127.0.0.6:6379/_INFO",
            "http://user:password@outside.example.com/",
        ):
            moved = answer(status="302 Found", Location=target)
            async with host(moved, PUBLIC) as server:
                refused = await refusal(names, f"http://outside.example.com:{server.port}/")
            assert refused.reason in (Reason.ADDRESS_REFUSED, Reason.SCHEME_REFUSED, Reason.URL_INVALID), (
                target
            )

    assert private.connections == 0


async def test_a_redirect_from_https_to_http_needs_the_operators_leave() -> None:
    policy = to_policy([f"http://{PUBLIC}:{8080}", PUBLIC], ports=["1-65535"])
    moved = answer(status="301 Moved Permanently", Location="http://example.com/")
    async with nameserver({}) as names:
        with suppress(OSError):
            async with host(moved, PUBLIC, 8080):
                refused = await refusal(names, f"http://{PUBLIC}:8080/", policy)
                assert refused.reason == Reason.SCHEME_REFUSED


async def test_redirects_are_followed_up_to_the_limit_and_count_together() -> None:
    async with nameserver({}) as names:
        for count, is_followed in ((3, True), (4, False)):

            async def reply(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int = count
            ) -> None:
                step = int(server.heads[-1].split()[1].strip("/"))
                more = answer(status="307 Temporary Redirect", Location=f"/{step + 1}")
                writer.write(more if step < count else answer(b"photo"))

            async with host(reply, PUBLIC) as server:
                if is_followed:
                    assert await fetched(names, f"http://{PUBLIC}:{server.port}/0") == b"photo"
                else:
                    refused = await refusal(names, f"http://{PUBLIC}:{server.port}/0")
                    assert refused.reason == Reason.TOO_MANY_REDIRECTS
                assert server.connections == 4
