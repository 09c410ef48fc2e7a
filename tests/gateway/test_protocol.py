"""A malformed or too large request is refused in the envelope. Its connection closes, and no more is read."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.gateway.harness import Harness, gateway_on, settings_without_services, until_idle
from tests.gateway.raw_http import assert_refused, connect, exchange

HOST = b"Host: here\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
POST = b"POST /api/auth/login HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SECRET = b"GET /api/secret HTTP/1.1\r\n" + HOST + b"X-Request-Id: second\r\n\r\n"


@pytest.fixture(scope="module")
async def edge() -> AsyncGenerator[Harness]:
    async with gateway_on(settings_without_services(), wait_for_services=False) as running:
        yield running


MALFORMED = {
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: there\r\n\r\n",
    "the same host twice": GET + HOST + b"\r\n",
    "two hosts in 1.0": b"GET /healthz HTTP/1.0\r\n" + HOST + HOST + b"\r\n",
    "empty host": b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
    "host with a path": b"GET /healthz HTTP/1.1\r\nHost: here/x\r\n\r\n",
    "host with a user": b"GET /healthz HTTP/1.1\r\nHost: me@here\r\n\r\n",
    "length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "one length twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "a negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "a length in hexadecimal": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "no length": POST + b"Content-Length:\r\n\r\nabc",
    "a length without end": POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nabc",
    "gzip": POST + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "gzip in chunks": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks, then gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks of chunks": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two encodings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "nearly chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks in 1.0": b"POST /api/auth/login HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded line": GET + b"X-A: a\r\n b\r\n\r\n",
    "a line folded by a tab": GET + b"X-A: a\r\n\tb\r\n\r\n",
    "a folded encoding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": GET + b"X-A : a\r\n\r\n",
    "a space before the first header": b"GET /healthz HTTP/1.1\r\n Host: here\r\n\r\n",
    "no name": GET + b": a\r\n\r\n",
    "no colon": GET + b"X-A\r\n\r\n",
    "a name in UTF-8": GET + "ä: a\r\n\r\n".encode(),
    "NUL in a value": GET + b"X-A: a\0b\r\n\r\n",
    "a control character in a value": GET + b"X-A: a\x01b\r\n\r\n",
    "CR in a value": GET + b"X-A: a\rb\r\n\r\n",
    "lines that end in LF": b"GET /healthz HTTP/1.1\nHost: here\n\n",
    "NUL in the target": b"GET /heal\0thz HTTP/1.1\r\n" + HOST + b"\r\n",
    "escaped NUL in the target": b"GET /heal%00thz HTTP/1.1\r\n" + HOST + b"\r\n",
    "UTF-8 in the target": "GET /ä HTTP/1.1\r\nHost: here\r\n\r\n".encode(),
    "a space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target without a slash": b"GET healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "an asterisk for GET": b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
    "another scheme": b"GET ftp://here/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tunnel": b"CONNECT there:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/0.9 by name": b"GET /healthz HTTP/0.9\r\n\r\n",
    "HTTP/1.2": b"GET /healthz HTTP/1.2\r\n" + HOST + b"\r\n",
    "HTTP/2.0 by name": b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an unknown method": b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method in lower case": b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "tabs for spaces": b"GET\t/healthz\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "chunk size not a number": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "chunk size negative": CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n",
    "chunk size with 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a space": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "chunk size without end": CHUNKED + b"f" * 17 + b"\r\nabc\r\n0\r\n\r\n",
    "chunk size that ends in LF": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "LF after a chunk size": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "a length after the last chunk": CHUNKED + b"0\r\nContent-Length: 3\r\n\r\n",
    "chunk extension without end": CHUNKED + b"3;" + b"a" * 300_000,
    "trailers without end": CHUNKED + b"0\r\n" + b"X-A: a\r\n" * 40_000,
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_request_is_refused_and_nothing_after_it_is_read(edge: Harness, name: str) -> None:
    answer, rest = await exchange(edge.url, MALFORMED[name] + SECRET)

    assert_refused(answer, rest, 400, "malformed_request")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, "target_too_long"),
        (b"GET /?" + b"x" * 90_000, 414, "target_too_long"),
        (GET + b"X-A: a\r\n" * 100 + b"\r\n", 431, "headers_too_large"),
        (GET + b"X-A: " + b"a" * 66_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (GET + b"X-A: " + b"a" * 1_000_000, 431, "headers_too_large"),
        (GET + b"X-" + b"a" * 1_000_000, 431, "headers_too_large"),
        (b"\r\n" * 100_000, 400, "malformed_request"),
    ],
)
async def test_headers_over_a_limit_are_refused(edge: Harness, data: bytes, status: int, code: str) -> None:
    answer, rest = await exchange(edge.url, data)

    assert_refused(answer, rest, status, code)


async def test_headers_within_the_limits_are_accepted(edge: Harness) -> None:
    data = b"GET /healthz?" + b"x" * 8000 + b" HTTP/1.1\r\n" + HOST + b"X-A: a\r\n" * 98
    answer, _ = await exchange(edge.url, data + b"Connection: close\r\n\r\n")

    assert (answer.status, answer.body) == (200, b"ok")


async def test_a_refusal_has_the_id_of_its_request(edge: Harness) -> None:
    answer, _ = await exchange(edge.url, b"GET * HTTP/1.1\r\nX-Request-Id: mine\r\nHost: here\r\n\r\n")

    assert answer.json["request_id"] == "mine"


async def test_requests_can_be_pipelined(edge: Harness) -> None:
    ids = [b"X-Request-Id: %d\r\n\r\n" % number for number in range(50)]
    async with connect(edge.url) as connection:
        await connection.send(b"".join(GET + each for each in ids))
        answers = [await connection.answer() for _ in ids]

    assert [answer.headers["x-request-id"] for answer in answers] == [str(number) for number in range(50)]


async def test_earlier_requests_are_answered_before_a_refusal(edge: Harness) -> None:
    async with connect(edge.url) as connection:
        await connection.send(
            GET + b"X-Request-Id: one\r\n\r\n" + GET + b"X-Request-Id: two\r\n\r\n" + b"nonsense\r\n\r\n"
        )
        answers = [await connection.answer() for _ in range(3)]
        rest = await connection.rest()

    assert [answer.headers["x-request-id"] for answer in answers[:2]] == ["one", "two"]
    assert [answer.status for answer in answers[:2]] == [200, 200]
    assert_refused(answers[2], rest, 400, "malformed_request")


async def test_nothing_is_read_after_a_request_that_closes(edge: Harness) -> None:
    answer, rest = await exchange(edge.url, GET + b"Connection: close\r\n\r\n" + SECRET)

    assert (answer.status, rest) == (200, b"")


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
async def test_an_upgrade_is_ignored(edge: Harness, protocol: bytes) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n"

    answer, rest = await exchange(edge.url, GET + upgrade + SECRET)

    assert (answer.status, answer.body, rest) == (200, b"ok", b"")
    assert answer.headers["connection"] == "close"
    assert "upgrade" not in answer.headers


async def test_a_body_before_an_upgrade_is_read(edge: Harness) -> None:
    head = POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n"

    answer, rest = await exchange(edge.url, head + b"{]}" + SECRET)

    assert (answer.status, answer.json["code"], rest) == (400, "malformed_body", b"")


@pytest.mark.parametrize("target", [b"http://there/healthz", b"http://there:80/healthz?a=b"])
async def test_a_target_may_contain_the_host(edge: Harness, target: bytes) -> None:
    answer, _ = await exchange(
        edge.url, b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    )

    assert (answer.status, answer.body) == (200, b"ok")


async def test_options_for_the_whole_server_is_not_found(edge: Harness) -> None:
    answer, _ = await exchange(edge.url, b"OPTIONS * HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")

    assert (answer.status, answer.json["code"]) == (404, "not_found")


async def test_a_trailer_does_not_become_a_header(edge: Harness) -> None:
    body = b"2\r\n{]\r\n0\r\nX-Request-Id: forged\r\nOrigin: x\r\n\r\n"
    async with connect(edge.url) as connection:
        await connection.send(CHUNKED + body)
        answer = await connection.answer()
        await connection.send(GET + b"\r\n")
        after = await connection.answer()

    assert (answer.status, answer.json["code"]) == (400, "malformed_body")
    assert answer.headers["x-request-id"] != "forged"
    assert "access-control-allow-origin" not in answer.headers
    assert after.status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"POST /api/images/upscale HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\n" + HOST,
        b"DELETE /api/images/1 HTTP/1.1\r\n" + HOST,
        b"GET /api/nothing HTTP/1.1\r\n" + HOST,
    ],
)
@pytest.mark.parametrize("length", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"])
async def test_a_refusal_does_not_request_the_body(edge: Harness, head: bytes, length: bytes) -> None:
    answer, rest = await exchange(edge.url, head + length + b"\r\nExpect: 100-continue\r\n\r\n")

    assert answer.status in (401, 404)
    assert (answer.headers["connection"], rest) == ("close", b"")


async def test_an_unused_body_does_not_close_the_connection(edge: Harness) -> None:
    async with connect(edge.url) as connection:
        await connection.send(GET + b"Content-Length: 2\r\n\r\n{}" + GET + b"X-Request-Id: next\r\n\r\n")
        answers = [await connection.answer() for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].headers["x-request-id"] == "next"


async def test_a_malformed_body_ends_a_running_answer(edge: Harness) -> None:
    head = b"GET /api/endless HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HOST + b"\r\n"
    async with connect(edge.url) as connection:
        await connection.send(head)
        begun = await connection.answer()
        await connection.send(b"nonsense\r\n" + SECRET)
        async with asyncio.timeout(20):
            while await connection.reader.read(1 << 20):
                pass
        await until_idle(edge)

    assert begun.status == 200


async def test_a_needed_body_is_requested(edge: Harness) -> None:
    async with connect(edge.url) as connection:
        await connection.send(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        first = await connection.answer()
        await connection.send(b"{]")
        answer = await connection.answer()

    assert (first.status, answer.status) == (100, 400)


async def test_a_refusal_reaches_a_client_that_sends_everything_before_reading(edge: Harness) -> None:
    """Closing a connection with unread bytes would reset it, and the answer would be lost."""
    size = 8 << 20
    head = b"POST /api/images/upscale HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size
    async with connect(edge.url) as connection:
        await connection.send(head)
        await connection.send(bytes(size))
        answer = await connection.answer()

    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")
