"""Downloads results: streamed, resumed after a break, and checked for their length."""

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx2

from loupe_client._async.transport import LOG, AsyncTransport, failure_of, no_answer
from loupe_client.backoff import pause_seconds
from loupe_client.errors import ConnectionFailed, DownloadFailed, LoupeError
from loupe_client.ranges import Progress

Link = Callable[[], Awaitable[str]]
"""Returns a new link to the result."""
EXPIRED = (401, 403)


async def stream(transport: AsyncTransport, link: Link, first: str | None = None) -> AsyncGenerator[bytes]:
    """Yield the bytes of a result. After a break go on where it was. `first` is a link that may still work.

    Raise `DownloadFailed` if the store refuses or the object changes meanwhile, and `ConnectionFailed` if no
    retry helps. The link holds the right to read; it is not logged.
    """
    progress, failures, url = Progress(), 0, first or await link()
    while not progress.is_complete:
        failure: LoupeError
        try:
            async with transport.http.stream("GET", url, headers=progress.headers()) as response:
                if response.status_code in EXPIRED and failures < transport.retries:
                    failures += 1
                    url = await link()
                    continue
                skip = progress.begin(response.status_code, response.headers)
                async for chunk in response.aiter_raw():
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
        await asyncio.sleep(pause_seconds(failures))
        failures += 1


async def save(
    transport: AsyncTransport,
    link: Link,
    path: Path,
    on_bytes: Callable[[int], object],
    first: str | None = None,
) -> None:
    """Write a result to a path. Until it is complete it has a temporary name beside it."""
    with complete(path) as file:
        async for chunk in stream(transport, link, first):
            file.write(chunk)
            on_bytes(len(chunk))


async def save_archive(transport: AsyncTransport, place: str, path: Path) -> None:
    """Write what the API makes while it is read, and what cannot be continued, to a path."""
    url = transport.server.url + place
    try:
        async with transport.http.stream("GET", url, headers=transport.headers()) as response:
            if not response.is_success:
                await response.aread()
                raise failure_of(response)
            with complete(path) as file:
                async for chunk in response.aiter_raw():
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
