# Generated from _async/downloads.py by `make client`. Do not edit.
"""Downloads results: streamed, resumed after a break, and checked for their length."""

import os
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx2

from loupe_client._sync.transport import LOG, Transport, failure_of, no_answer
from loupe_client.backoff import pause_seconds
from loupe_client.errors import ConnectionFailed, DownloadFailed, LoupeError
from loupe_client.ranges import Progress

Link = Callable[[], str]
"""Returns a new link to the result."""
EXPIRED = (401, 403)


def stream(transport: Transport, link: Link, first: str | None = None) -> Generator[bytes]:
    """Yield the bytes of a result. After a break go on where it was. `first` is a link that may still work.

    Raise `DownloadFailed` if the store refuses or the object changes meanwhile, and `ConnectionFailed` if no
    retry helps. The link holds the right to read; it is not logged.
    """
    progress, failures, url = Progress(), 0, first or link()
    while not progress.is_complete:
        failure: LoupeError
        try:
            with transport.http.stream("GET", url, headers=progress.headers()) as response:
                if response.status_code in EXPIRED and failures < transport.retries:
                    failures += 1
                    url = link()
                    continue
                skip = progress.begin(response.status_code, response.headers)
                for chunk in response.iter_raw():
                    wanted, skip = chunk[skip:], max(0, skip - len(chunk))
                    if wanted:
                        failures = 0
                        progress.done += len(wanted)
                        yield wanted
            progress.finish()
            continue
        except httpx2.TransportError as error:
            failure = ConnectionFailed(no_answer("the store of the results", error))
            failure.__cause__ = error
        except DownloadFailed as error:
            if not error.is_temporary:
                raise
            failure = error
        if failures >= transport.retries:
            raise failure
        LOG.info("a download broke off after %d bytes and goes on", progress.done)
        time.sleep(pause_seconds(failures))
        failures += 1


def save(
    transport: Transport,
    link: Link,
    path: Path,
    on_bytes: Callable[[int], object],
    first: str | None = None,
) -> None:
    """Write a result to a path. Until it is complete it has a temporary name beside it."""
    with complete(path) as file:
        for chunk in stream(transport, link, first):
            file.write(chunk)
            on_bytes(len(chunk))


def save_archive(transport: Transport, place: str, path: Path) -> None:
    """Write what the API makes while it is read, and what cannot be continued, to a path."""
    url = transport.server.url + place
    try:
        with transport.http.stream("GET", url, headers=transport.headers()) as response:
            if not response.is_success:
                response.read()
                raise failure_of(response)
            with complete(path) as file:
                for chunk in response.iter_raw():
                    file.write(chunk)
    except httpx2.TransportError as error:
        raise ConnectionFailed(no_answer(transport.server.url, error)) from error


@contextmanager
def complete(path: Path) -> Generator[BinaryIO]:
    """Yield a file that gets its name when all is written. If that fails, nothing is left of it."""
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            yield file
        os.replace(temporary, path)  # noqa: PTH105  it also replaces a file on Windows
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
