"""An answer of any kind ends in time, and takes no more memory and bytes than it may."""

import asyncio
import gzip
import ssl
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from outbound.guard.client import HEADER_BYTES, Client, Limits
from outbound.guard.names import Names
from outbound.guard.policy import to_policy
from outbound.guard.refused import Reason, Refused
from outbound.guard.urls import check_url
from tests.certificates import Authority
from tests.outbound.servers import Handler, Host, answer, host, nameserver

POLICY = to_policy(["127.0.0.1"], ports=["1-65535"], http_is_allowed=True)
LIMITS = Limits(seconds=10.0, connect_seconds=5.0, body_bytes=1 << 20)
HURRY = replace(LIMITS, seconds=0.3)
CLIENT = Client(POLICY)


async def fetched(url: str, limits: Limits = LIMITS, client: Client = CLIENT) -> bytes:
    async with client.fetch(check_url(url, client.policy), most_redirects=3, limits=limits) as found:
        return b"".join([piece async for piece in found.pieces()])


async def refusal(reply: bytes | Handler, limits: Limits = LIMITS) -> Reason:
    """Return why the answer of a host is refused, after the guard has hung up."""
    async with host(reply) as server:
        with pytest.raises(Refused) as caught:
            await fetched(server.url, limits)
        await server.closed.wait()
    return caught.value.reason


def forever(piece: bytes, *, first: bytes = b"", seconds: float = 0.0) -> Handler:
    """Return a host that sends a piece again and again."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(seconds)

    return reply


def silent(first: bytes = b"") -> Handler:
    """Return a host that sends nothing more, until the guard hangs up."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await reader.read()

    return reply


async def test_an_answer_arrives_whole() -> None:
    body = bytes(range(256)) * 4096
    async with host(answer(body)) as server:
        assert await fetched(server.url) == body


async def test_an_answer_in_chunks_arrives_whole() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    async with host(chunked) as server:
        assert await fetched(server.url) == b"abcde"


async def test_a_request_has_nothing_but_what_it_needs() -> None:
    async with host(answer(status="200 OK", Set_Cookie="id=1; Path=/")) as server:
        await fetched(server.url)
        await fetched(server.url)

    names = [line.partition(":")[0] for line in server.heads[1].strip().split("\r\n")[1:]]
    assert set(names) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert server.connections == 2


async def test_a_declared_length_over_the_limit_is_refused_before_the_body() -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {LIMITS.body_bytes + 1}\r\n\r\n".encode()

    assert await refusal(silent(head)) == Reason.TOO_LARGE


async def test_an_endless_body_is_cut_off_at_the_limit() -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"

    assert await refusal(forever(bytes(65_536), first=head)) == Reason.TOO_LARGE


async def test_endless_chunks_are_cut_off_at_the_limit() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert await refusal(forever(b"8000\r\n" + bytes(0x8000) + b"\r\n", first=head)) == Reason.TOO_LARGE


async def test_chunks_of_one_byte_cannot_exceed_the_limit_by_their_framing() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"1;" + b"x" * 4000 + b"\r\na\r\n"

    assert await refusal(forever(chunk, first=head)) == Reason.TOO_LARGE


async def test_a_slow_body_ends_the_request_however_regularly_it_comes() -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"

    assert await refusal(forever(b"a", first=head, seconds=0.02), HURRY) == Reason.TOO_SLOW


async def test_a_slow_head_ends_the_request() -> None:
    assert (
        await refusal(forever(b"X-A: b\r\n", first=b"HTTP/1.1 200 OK\r\n", seconds=0.02), HURRY)
        == Reason.TOO_SLOW
    )


async def test_a_host_that_never_answers_ends_the_request() -> None:
    assert await refusal(silent(), HURRY) == Reason.TOO_SLOW


async def test_slow_redirects_share_the_time_of_one_request() -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(HURRY.seconds / 2)
        writer.write(answer(status="302 Found", Location="/next"))

    assert await refusal(reply, HURRY) == Reason.TOO_SLOW


async def test_headers_without_end_are_cut_off() -> None:
    one = b"X-Header: " + b"a" * 1000 + b"\r\n"

    assert await refusal(forever(one, first=b"HTTP/1.1 200 OK\r\n")) == Reason.ANSWER_INVALID


async def test_one_header_without_end_is_cut_off() -> None:
    assert await refusal(forever(b"a" * 1000, first=b"HTTP/1.1 200 OK\r\nX: ")) == Reason.ANSWER_INVALID


async def test_interim_answers_without_end_are_cut_off() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100

    assert await refusal(forever(interim)) == Reason.TOO_LARGE


async def test_trailers_without_end_are_cut_off() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"

    assert await refusal(forever(b"X-A: " + b"b" * 1000 + b"\r\n", first=head)) == Reason.ANSWER_INVALID


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"+PONG\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header: 1\r\n\r\n",
        b"",
    ],
)
async def test_an_answer_that_is_not_http_is_refused(reply: bytes) -> None:
    assert await refusal(reply) == Reason.ANSWER_INVALID


async def test_a_reset_in_the_body_is_told() -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await writer.drain()
        writer.transport.abort()

    assert await refusal(reply) in (Reason.CONNECTION_FAILED, Reason.ANSWER_INVALID)


async def test_a_port_without_a_host_refuses_the_connection() -> None:
    async with host(b"") as server:
        pass

    with pytest.raises(Refused) as caught:
        await fetched(server.url)

    assert caught.value.reason == Reason.CONNECTION_REFUSED


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate"])
async def test_a_compressed_answer_is_decompressed(encoding: str) -> None:
    compress = zlib.compress if encoding == "deflate" else gzip.compress
    async with host(answer(compress(b"photo" * 1000), Content_Encoding=encoding)) as server:
        assert await fetched(server.url) == b"photo" * 1000


async def test_a_compression_bomb_is_cut_off_at_the_limit() -> None:
    bomb = gzip.compress(bytes(200 << 20))

    assert len(bomb) < LIMITS.body_bytes
    assert await refusal(answer(bomb, Content_Encoding="gzip")) == Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"photo", mtime=0)[:-4], "gzip"),
        (b"no gzip", "gzip"),
        (gzip.compress(gzip.compress(b"photo", mtime=0), mtime=0), "gzip, gzip"),
        (b"photo", "br"),
    ],
)
async def test_an_answer_that_cannot_be_decompressed_is_refused(body: bytes, encoding: str) -> None:
    assert await refusal(answer(body, Content_Encoding=encoding)) == Reason.ANSWER_INVALID


@asynccontextmanager
async def https(folder: Path, certified: str, called: str) -> AsyncGenerator[tuple[Host, str, Client]]:
    """Yield a host with a certificate for one name, the URL that is called, and a client that trusts it."""
    tls = Authority(folder).sign("photos", host=certified)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.certificate, tls.key)
    async with nameserver({called: [["127.0.0.1"]]}) as names, host(answer(b"photo"), tls=context) as server:
        client = Client(POLICY, Names([names.server]), ca_file=str(tls.authority))
        yield server, f"https://{called}:{server.port}/", client


async def test_the_name_stays_the_name_of_the_certificate(tmp_path: Path) -> None:
    async with https(tmp_path, "photos.example.com", "photos.example.com") as (_, url, client):
        assert await fetched(url, client=client) == b"photo"


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    async with https(tmp_path, "other.example.com", "photos.example.com") as (server, url, client):
        with pytest.raises(Refused) as caught:
            await fetched(url, client=client)

    assert caught.value.reason == Reason.TLS_FAILED
    assert server.heads == []


async def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    async with https(tmp_path, "photos.example.com", "photos.example.com") as (server, url, client):
        stranger = Client(POLICY, client.names)
        with pytest.raises(Refused) as caught:
            await fetched(url, client=stranger)

    assert caught.value.reason == Reason.TLS_FAILED
    assert server.heads == []


async def test_plain_http_behind_https_is_a_failure_of_tls() -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"photo"))
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    async with server:
        with pytest.raises(Refused) as caught:
            await fetched(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    assert caught.value.reason == Reason.TLS_FAILED


async def test_a_body_is_posted_and_no_redirect_is_followed() -> None:
    moved = answer(b"elsewhere", status="308 Permanent Redirect", Location="http://127.0.0.1/")
    async with host(moved) as server:
        url = check_url(server.url, POLICY)
        headers = {"Content-Type": "application/json", "webhook-id": "msg_1"}
        async with CLIENT.request("POST", url, headers=headers, body=b'{"a":1}', limits=LIMITS) as found:
            assert found.status == 308
            assert [piece async for piece in found.pieces()] == [b"elsewhere"]

    assert server.bodies == [b'{"a":1}']
    assert "webhook-id: msg_1\r\n" in server.heads[0]
    assert server.connections == 1


async def test_a_caller_that_has_read_enough_hangs_up() -> None:
    async with host(forever(bytes(1000), first=b"HTTP/1.1 200 OK\r\n\r\n")) as server:
        async with CLIENT.request("POST", check_url(server.url, POLICY), limits=LIMITS) as found:
            async for piece in found.pieces():
                assert piece
                break
        await server.closed.wait()


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\x00b"])
async def test_a_header_with_a_line_break_is_never_sent(value: str) -> None:
    async with host(answer()) as server:
        with pytest.raises(ValueError, match="header"):
            async with CLIENT.request(
                "POST", check_url(server.url, POLICY), headers={"X-A": value}, limits=LIMITS
            ):
                pass

    assert server.connections == 0


async def test_an_error_of_the_caller_stays_its_own() -> None:
    async with host(answer(b"photo")) as server:
        for error in (TimeoutError("mine"), ValueError("mine")):
            with pytest.raises(type(error), match="mine"):
                async with CLIENT.fetch(check_url(server.url, POLICY), most_redirects=0, limits=LIMITS):
                    raise error


def test_the_limit_of_all_bytes_leaves_room_for_headers() -> None:
    assert HEADER_BYTES >= 128 << 10
