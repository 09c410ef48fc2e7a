# ruff: noqa: RUF001  odd letters are the point
"""No spelling of an address that is not public leads to a packet, be it for DNS or for the address itself."""

import sys
from collections.abc import Generator
from typing import Any

import pytest

from outbound.guard.client import Client
from outbound.guard.names import Names
from outbound.guard.policy import Policy
from outbound.guard.refused import Refused
from outbound.guard.urls import check_url
from tests.outbound.servers import nameserver

PACKETS = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}
LOOPBACK = (
    "https://127.0.0.1/",
    "https://127.255.255.254/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7F.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.01/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.1./",
    "https://0/",
    "https://0.0.0.0/",
    "https://0x0/",
    "https://00000000/",
    "https://4294967296/",
    "https://256.256.256.256/",
    "https://1.2.3/",
    "https://1.2.3.4.5/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://localhost../",
    "https://photos.localhost/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b:1::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
)
UNICODE = (
    "https://１２７.0.0.1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://127．0．0．1/",
    "https://ｌｏｃａｌｈｏｓｔ/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "https://localhost。/",
    "https://ло\u0000кал/",
    "https://local\u200bhost/",
    "https://local\u00adhost/",
    "https://loc\u2028alhost/",
    "https://\ud800.example.com/",
    "https://exa\u2044mple.com/",
)
NETWORKS = (
    "https://10.0.0.1/",
    "https://100.64.0.1/",
    "https://169.254.1.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.0.0.1/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://192.168.1.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://239.255.255.250/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[fc00::1]/",
    "https://[fd12:3456::1]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[100::1]/",
    "https://[2001:db8::1]/",
    "https://[2001:2::1]/",
    "https://[2001:20::1]/",
    "https://[3fff::1]/",
    "https://[5f00::1]/",
    "https://[4000::1]/",
)
METADATA = (
    "https://169.254.169.254/latest/meta-data/",  # AWS, Azure, Google, Oracle, DigitalOcean
    "https://2852039166/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://169.254.43518/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://[fd00:ec2::254]/",  # AWS
    "https://169.254.170.2/v2/credentials/",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://metadata/",
    "https://[fd20:ce::254]/",  # Google
    "https://168.63.129.16/",  # Azure
    "https://100.100.100.200/",  # Alibaba
    "https://192.0.0.192/",  # Oracle
    "https://[fd00:c1::a9fe:a9fe]/",
    "https://169.254.0.23/",  # Tencent
    "https://169.254.42.42/",  # Scaleway
)
SYNTAX = (
    "",
    "https://",
    "https:///",
    "https:/example.com/",
    "https:example.com",
    "//example.com/",
    "example.com",
    "https://?x",
    "https://.",
    "https://./",
    "https://.example.com/",
    "https://example..com/",
    "https://-example.com/",
    "https://example-.com/",
    f"https://{'a' * 64}.com/",
    f"https://{'a.' * 130}com/",
    f"https://example.com/{'a' * 2048}",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://:@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1@example.com/",
    "https://127.0.0.1%40example.com/",
    "https://example.com\\@127.0.0.1/",
    "https:\\\\127.0.0.1/",
    "https://127.0.0.1\\.example.com/",
    "https://127.0.0.1\t/",
    "https://exa\tmple.com/",
    "https://example.com/\r\nX-Injected: 1",
    "https://example.com/\nHost: other",
    " https://example.com/",
    "https://example.com/ ",
    "https://exa mple.com/",
    "https://example.com/\x00",
    "https://%31%32%37.0.0.1/",
    "https://127.0.0.1%2f.example.com/",
    "https://loc%61lhost/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[::1%lo]/",
    "https://[::1]x/",
    "https://[::1/",
    "https://::1/",
    "https://[v1.x]/",
    "https://[1::2::3]/",
    "https://[127.0.0.1]/",
    "https://exa*mple.com/",
    "https://example.com,127.0.0.1/",
    "https://example.com;127.0.0.1/",
    "https://example.com:443:80/",
    "https://example.com:/",
    "https://example.com:x/",
    "https://example.com:+443/",
    "https://example.com:４４３/",
    "https://example.com:-1/",
    "https://xn--.com\u3002/",
)
SCHEMES = (
    "http://example.com/",
    "HTTP://example.com/",
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://example.com:11211/",
    "data://text/plain,x",
    "jar:https://example.com!/",
    "javascript://example.com/%0aalert(1)",
    "ws://example.com/",
    "unix:///var/run/docker.sock",
    "blob:https://example.com/x",
)
PORTS = ("0", "00443", "22", "25", "80", "6379", "8080", "8444", "65535", "65536", "99999")
LOCAL_NAMES = (
    "https://intranet/",
    "https://kubernetes/",
    "https://kubernetes.default.svc.cluster.local/",
    "https://images.internal/",
    "https://router.lan/",
    "https://nas.home.arpa/",
    "https://printer.local./",
    "https://hidden.onion/",
    "https://some.test/",
)
TABLE = (*LOOPBACK, *UNICODE, *NETWORKS, *METADATA, *SYNTAX, *SCHEMES, *LOCAL_NAMES)
packets: list[str] | None = None
"""The packets since a test began to listen."""


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if packets is not None and event in PACKETS:
        packets.append(f"{event} {arguments[1:]}")


sys.addaudithook(_listen)


@pytest.fixture
def sent() -> Generator[list[str]]:
    """The packets that this process has sent since the test began, as Python's audit sees them."""
    global packets  # noqa: PLW0603  an audit hook stays for the life of the process
    packets = []
    yield packets
    packets = None


@pytest.mark.parametrize("text", TABLE)
async def test_no_packet_goes_out_for_a_spelling_that_is_not_of_the_public_internet(
    text: str, sent: list[str]
) -> None:
    client = Client(Policy())

    with pytest.raises(Refused):
        async with client.fetch(check_url(text, client.policy), most_redirects=3):
            pass

    assert sent == []


@pytest.mark.parametrize("port", PORTS)
async def test_only_the_ports_of_https_are_called(port: str, sent: list[str]) -> None:
    with pytest.raises(Refused):
        check_url(f"https://example.com:{port}/", Policy())

    assert sent == []


async def test_the_test_would_see_a_packet(sent: list[str]) -> None:
    async with nameserver({}) as names:
        client = Client(Policy(), Names([names.server]))
        with pytest.raises(Refused):
            async with client.fetch(check_url("https://example.com/", client.policy), most_redirects=0):
                pass

    assert sent


def test_the_table_has_no_spelling_twice() -> None:
    assert len(set(TABLE)) == len(TABLE) > 60


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com.:443/a?b#c", "https://example.com/a?b"),
        ("https://example.com:8443?x=1", "https://example.com:8443/?x=1"),
        ("https://bücher.example.com/ü", "https://xn--bcher-kva.example.com/%C3%BC"),
        ("https://example。com/", "https://example.com/"),
        ("https://faß.de/", "https://xn--fa-hia.de/"),
        ("https://example.com/a%20b?c[]=1|2", "https://example.com/a%20b?c%5B%5D=1%7C2"),
        ("https://my_bucket.example.com/", "https://my_bucket.example.com/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700:0::1111]/", "https://[2606:4700::1111]/"),
    ],
)
def test_a_public_url_has_one_normal_form(text: str, normal: str) -> None:
    url = check_url(text, Policy())

    assert str(url) == normal
    assert str(check_url(str(url), Policy())) == normal
