"""Puts a file into the object store, by a signed link."""

import asyncio
from collections.abc import AsyncGenerator

import httpx2

from loupe_client._async.transport import AsyncTransport, no_answer
from loupe_client.backoff import pause_seconds
from loupe_client.errors import ConnectionFailed, LoupeError, UploadRefused
from loupe_client.models import DirectUpload
from loupe_client.sources import Upload

CHUNK = 256 * 1024


async def put(transport: AsyncTransport, upload: Upload, size: int, prepared: DirectUpload) -> None:
    """Send the bytes to the store. Raise `UploadRefused` if it refuses, `ConnectionFailed` if it is away."""
    headers = {name: str(value) for name, value in prepared.headers.items()} | {"Content-Length": str(size)}
    attempt = 0
    while True:
        failure: LoupeError
        try:
            response = await transport.http.request(
                prepared.method, prepared.url, content=chunks(upload), headers=headers
            )
        except httpx2.TransportError as error:
            failure = ConnectionFailed(no_answer("the object store", error))
            failure.__cause__ = error
        else:
            if response.is_success:
                return
            failure = UploadRefused(f"The object store refused the file: it answered {response.status_code}.")
            if response.status_code < 500:
                raise failure
        if attempt >= transport.retries:
            raise failure
        await asyncio.sleep(pause_seconds(attempt))
        attempt += 1


async def chunks(upload: Upload) -> AsyncGenerator[bytes]:
    """Yield the bytes of a file."""
    with upload.open() as file:
        while chunk := file.read(CHUNK):
            yield chunk
