"""Turns asynchronous code into its synchronous twin, word by word."""

import re

WORDS = {
    "AsyncBaseTransport": "BaseTransport",
    "AsyncGenerator": "Generator",
    "AsyncIterator": "Iterator",
    "AsyncClient": "Client",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "aiter_raw": "iter_raw",
    "aread": "read",
    "asynccontextmanager": "contextmanager",
    "asyncio": "time",
    "_async": "_sync",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "asynchronous": "synchronous",
}
KEYWORDS = re.compile(r"\b(?:async (?=def|with|for)|await )")
AWAITABLE = re.compile(r"\bAwaitable\[(\w+)\]")
OWN_CLASS = re.compile(r"\bAsync(?=[A-Z])")
WORD = re.compile(r"\b\w+\b")


def to_sync(text: str, name: str) -> str:
    """Return the synchronous twin of a module. `name` is the file's name in `_async`."""
    text = KEYWORDS.sub("", text)
    text = WORD.sub(lambda word: WORDS.get(word[0], word[0]), text)
    text = AWAITABLE.sub(r"\1", text)
    text = OWN_CLASS.sub("", text)
    return f"# Generated from _async/{name} by `make client`. Do not edit.\n{text}"
