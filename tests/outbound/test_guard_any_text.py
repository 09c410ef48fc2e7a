# ruff: noqa: RUF001  odd letters are the point
"""Whatever a text looks like, the guard refuses it or reads one plain host from it, as other parsers do."""

import re
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from outbound.guard.addresses import is_public
from outbound.guard.policy import Policy
from outbound.guard.refused import Refused
from outbound.guard.urls import CheckedUrl, check_url, is_localhost

PLAIN = re.compile(r"https://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d+)?/[!-~]*")
PIECES = (
    *"/?#@:\\%[]._-~0 \t\n\x00é。\uff0e１①\u200d\u00ad", "//", "::1", "::ffff:", "127.0.0.1", "127.1", "0x7f",
    "2130706433", "localhost", "example", ".com", "xn--", ":443", "%2f", "%00", "169.254.169.254", "user:pw@",
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.characters(), max_size=8).map("".join)


def checked(text: str) -> CheckedUrl | None:
    try:
        return check_url(text, Policy())
    except Refused:
        return None


@given(st.sampled_from(("", "https://", "https://example.com")), texts)
def test_an_accepted_text_has_one_host_for_every_parser_and_it_is_public(start: str, text: str) -> None:
    if url := checked(start + text):
        assert PLAIN.fullmatch(str(url))
        assert checked(str(url)) == url
        assert urlsplit(str(url)).hostname == url.host
        assert not is_localhost(url.host)
        assert url.address is None or is_public(url.address)
