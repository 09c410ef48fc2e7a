"""Attacks of a user with an account: files that cost a decoder a lot, and uploads that never end."""

import asyncio
import struct
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from PIL import Image

from loupe_local.stack import Stack
from tests.pixels import encoded

LARGEST_BYTES = 10_000_000
JPEG_SIZE, SCANS, SCAN = (4000, 4000), 900, b"\xff\xda"
STRIPS, STRIP_BYTES, STRIP_WIDTH = 5_000, 9_000_000, 1_000
UPLOADS, UPLOAD_BYTES, HELD_BYTES = 60, 10_000_000, 9_900_000


def jpeg_of_many_scans() -> bytes:
    """Return a progressive JPEG of 16 megapixels that repeats its last scan. Each scan passes all pixels."""
    data = encoded(Image.new("RGB", JPEG_SIZE, (90, 120, 60)), progressive=True)
    scan, end = data[data.rindex(SCAN) : -2], data[-2:]
    return data[:-2] + scan * min(SCANS, (LARGEST_BYTES - len(data)) // len(scan)) + end


def tiff_of_shared_strips() -> bytes:
    """Return a TIFF of one row for each strip. All strips are the same nine megabytes."""
    strip = zlib.compress(bytes(STRIP_WIDTH)).ljust(STRIP_BYTES, b"\0")
    counts, offsets = 8, 8 + 4 * STRIPS
    start = offsets + 4 * STRIPS
    shorts = {256: STRIP_WIDTH, 257: STRIPS, 258: 8, 259: 8, 262: 1, 277: 1, 278: 1}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in shorts.items()]
    entries += [struct.pack("<HHII", 273, 4, STRIPS, offsets), struct.pack("<HHII", 279, 4, STRIPS, counts)]
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    lists = struct.pack("<I", STRIP_BYTES) * STRIPS + struct.pack("<I", start) * STRIPS
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return struct.pack("<2sHI", b"II", 42, start + STRIP_BYTES) + lists + strip + directory


@asynccontextmanager
async def held_uploads(running: Stack) -> AsyncGenerator[None]:
    """Hold uploads of nearly ten megabytes open, and send a byte of each now and then."""
    address = urlsplit(running.api)
    head = (
        f"POST /api/images/upscale HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {running.token}\r\nContent-Length: {UPLOAD_BYTES}\r\n"
        "Content-Type: multipart/form-data; boundary=limit\r\n\r\n"
        '--limit\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n\r\n'
    ).encode()

    async def hold() -> None:
        while True:
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            try:
                writer.write(head + bytes(HELD_BYTES))
                while True:
                    await writer.drain()
                    await asyncio.sleep(1)
                    writer.write(b"\0")
            except OSError:
                await asyncio.sleep(1)  # the server has refused it; the attack goes on
            finally:
                writer.close()

    holding = [asyncio.create_task(hold()) for _ in range(UPLOADS)]
    await asyncio.sleep(5)
    yield
    for task in holding:
        task.cancel()
    await asyncio.gather(*holding, return_exceptions=True)
