"""Creates batches over REST, and waits for them."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import httpx2
from PIL import Image

from tests.client import UNFINISHED, WAIT_SECONDS
from tests.pixels import encoded

Files = Sequence[tuple[str, bytes]]
PHOTO = encoded(Image.effect_noise((24, 16), 80).convert("RGB"))
TEN_MB = 10_485_760


def photos_of(count: int) -> Files:
    return [(f"photo{number}.jpg", PHOTO) for number in range(1, count + 1)]


async def post_batch(
    client: httpx2.AsyncClient, files: Files, field: str = "images[]", **fields: object
) -> httpx2.Response:
    form = {name: str(value) for name, value in fields.items()}
    parts = [(field.format(number), file) for number, file in enumerate(files)]
    return await client.post("/api/batches", files=parts, data=form)


async def create_batch(client: httpx2.AsyncClient, files: Files, **fields: Any) -> dict[str, Any]:
    answer = await post_batch(client, files, **fields)
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]


async def read_batch(client: httpx2.AsyncClient, batch_id: int) -> dict[str, Any]:
    answer = await client.get(f"/api/batches/{batch_id}")
    assert (answer.status_code, answer.json()["message"]) == (200, "Batch retrieved successfully")
    return answer.json()["data"]


async def until_ended(client: httpx2.AsyncClient, batch_id: int) -> dict[str, Any]:
    """Poll until the batch has ended, and return it. Progress must never decrease."""
    deadline, progress = time.monotonic() + WAIT_SECONDS, 0
    while (found := await read_batch(client, batch_id))["status"] in UNFINISHED:
        assert found["progress"] >= progress
        assert found["completed_at"] is None
        assert time.monotonic() < deadline, found
        progress = found["progress"]
        await asyncio.sleep(0.05)
    return found
