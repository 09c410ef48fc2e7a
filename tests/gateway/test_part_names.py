"""The name of a file arrives as it was meant, in each of the ways that clients write it."""

import pytest

from common import errors
from gateway.http.errors import status_of
from gateway.http.multipart import FileStart, read_form
from gateway.routes.uploads import IMAGE_FORM
from tests.gateway.harness import a_request

NAMES = {
    "a browser": (b'filename="cat.png"', "cat.png"),
    "a browser, UTF-8": ('filename="naïve 猫.png"'.encode(), "naïve 猫.png"),
    "a quotation mark by Chrome": (b'filename="a%22b.png"', 'a"b.png'),
    "a per cent sign by Chrome": (b'filename="100% a%20b.png"', "100% a%20b.png"),
    "a per cent sign, then a letter": ('filename="100%C3 é.png"'.encode(), "100%C3 é.png"),
    "no UTF-8 in escapes": (b'filename="a%E9.png"', "a%E9.png"),
    "curl": (b'filename="a\\"b.png"', 'a"b.png'),
    "aiohttp": (b'filename="na%C3%AFve%20cat.png"', "naïve cat.png"),
    "aiohttp, both": (
        b"filename=\"na%C3%AFve.png\"; filename*=utf-8''na%C3%AFve.png", "naïve.png"
    ),
    "requests with an old urllib3": (b"filename*=utf-8''%E7%8C%AB.png", "猫.png"),
    ".NET": (
        b'filename="=?utf-8?B?54yrLnBuZw==?="; filename*=utf-8\'\'%E7%8C%AB.png', "猫.png"
    ),
    ".NET, without quotes": (b"filename==?utf-8?B?54yrLnBuZw==?=", "猫.png"),
    "two words": (b'filename="=?utf-8?B?54yr?= =?UTF-8?Q?_a=C3=A9.png?="', "猫 aé.png"),
    "a word in Latin-1": (b'filename="=?iso-8859-1?Q?caf=E9.png?="', "café.png"),
    "a letter in two words": (b'filename="=?utf-8?B?54w=?= =?utf-8?B?qy5wbmc=?="', "猫.png"),
    "a word with a language": (b'filename="=?utf-8*zh?B?54yrLnBuZw==?="', "猫.png"),
    "a word in ASCII": (b'filename="=?us-ascii?Q?a_b.png?="', "a b.png"),
    "no quotes": (b"filename=my cat.png; x=y", "my cat.png"),
    "a word of another charset": (b'filename="=?koi8-r?B?54yr?="', "=?koi8-r?B?54yr?="),
    "a word that is damaged": (b'filename="=?utf-8?B?%%%?="', "=?utf-8?B?%%%?="),
    "extended first": (b"filename*=UTF-8''b.png; filename=\"a.png\"", "b.png"),
    "extended with a language": (b"filename=\"a.png\"; filename*=UTF-8'en'%c3%a9.png", "é.png"),
    "extended in Latin-1": (b"filename=\"a.png\"; filename*=iso-8859-1''caf%E9.png", "café.png"),
    "extended in ASCII alone": (b"filename*=us-ascii''cat%201.png", "cat 1.png"),
    "extended of Windows": (b"filename=\"a.png\"; filename*=windows-1252''caf%E9 5%80.png", "café 5€.png"),
    "extended in quotes": (b"filename*=\"UTF-8''%C3%A9.png\"", "é.png"),
    "extended of another charset": (b"filename=\"a.png\"; filename*=koi8-r''%E9.png", "a.png"),
    "extended without UTF-8": (b"filename=\"a.png\"; filename*=utf-8''%E9.png", "a.png"),
    "extended with broken escapes": (b"filename=\"a.png\"; filename*=utf-8''%zz.png", "a.png"),
    "in pieces": (b'filename*0="a long"; filename*1=" name.png"', "a long name.png"),
    "in coded pieces": (b"filename*0*=utf-8'zh'%e7%8c; filename*1*=%ab; filename*2=\".png\"", "猫.png"),
    "in pieces of Latin-1": (b"filename*0*=iso-8859-1''caf%e9; filename*1=.png", "café.png"),
    "in pieces, and as a whole": (b'filename*0="b"; filename="a.png"', "a.png"),
    "in pieces of which one is missing": (b'filename*0="a"; filename*2="c.png"', "a"),
    "bytes of windows-1252": (b'filename="caf\xe9 5\x80.png"', "café 5€.png"),
    "bytes that no charset knows": (b'filename="a\x81.png"', "a\ufffd.png"),
    "extended in a name": (b"filename=\"; filename*=utf-8''b.png\"", "; filename*=utf-8''b.png"),
}  # fmt: skip


@pytest.mark.parametrize(("header", "name"), NAMES.values(), ids=NAMES)
async def test_the_name_of_a_file_is_decoded(header: bytes, name: str) -> None:
    part = (
        b'--here\r\nContent-Disposition: form-data; name="image"; ' + header + b"\r\n\r\ndata\r\n--here--\r\n"
    )
    request = a_request([part], headers=[("Content-Type", "multipart/form-data; boundary=here")])

    found = [event async for event in read_form(request, IMAGE_FORM)]

    assert found[0] == FileStart(0, name)


@pytest.mark.parametrize(
    ("header", "is_refused"),
    [
        (b"Content-Transfer-Encoding: base64", True),
        (b"Content-Transfer-Encoding: Quoted-Printable", True),
        (b"Content-Encoding: gzip", True),
        (b"Content-Transfer-Encoding: binary", False),
        (b"Content-Transfer-Encoding: 8bit", False),
        (b"Content-Encoding: identity", False),
        (b"Content-Length: 4", False),
    ],
)
async def test_a_file_is_sent_as_it_is_or_refused(header: bytes, *, is_refused: bool) -> None:
    part = (
        b'--here\r\nContent-Disposition: form-data; name="image"\r\n'
        + header
        + b"\r\n\r\ndata\r\n--here--\r\n"
    )
    request = a_request([part], headers=[("Content-Type", "multipart/form-data; boundary=here")])

    if is_refused:
        with pytest.raises(errors.ServiceError) as caught:
            _ = [event async for event in read_form(request, IMAGE_FORM)]
        expected = f"A file may not have the {header.decode().replace(':', '')}: send it as it is."
        assert caught.value.message == expected
        assert status_of(caught.value.code, caught.value.reason) == 415
    else:
        assert [event async for event in read_form(request, IMAGE_FORM)][1] == b"data"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "identity, gzip", "x-unknown"])
async def test_a_compressed_body_is_refused_before_it_is_read(encoding: str) -> None:
    headers = [("Content-Type", "multipart/form-data; boundary=here"), ("Content-Encoding", encoding)]

    with pytest.raises(errors.ServiceError) as caught:
        _ = [event async for event in read_form(a_request([], headers=headers), IMAGE_FORM)]

    assert status_of(caught.value.code, caught.value.reason) == 415
    assert encoding.rpartition(" ")[2] in caught.value.message
