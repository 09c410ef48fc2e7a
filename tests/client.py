"""Calls the REST API as a client does."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Generator
from typing import Any

import httpx2

from loupe_local.stack import Stack

WAIT_SECONDS = 90.0
UNFINISHED = ("pending", "processing")


def client_of(stack: Stack, token: str = "") -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.AsyncClient(base_url=stack.api, headers=headers, timeout=30)


async def upscale(
    client: httpx2.AsyncClient, data: bytes, name: str = "photo.jpg", **fields: object
) -> httpx2.Response:
    form = {field: str(value) for field, value in fields.items()}
    return await client.post("/api/images/upscale", files={"image": (name, data)}, data=form)


async def upload_image(
    client: httpx2.AsyncClient, data: bytes, name: str = "photo.jpg", **fields: object
) -> int:
    """Upload an image, and return its id."""
    answer = await upscale(client, data, name, **fields)
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]["id"]


async def get_image(client: httpx2.AsyncClient, image_id: int) -> dict[str, Any]:
    answer = await client.get(f"/api/images/{image_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def wait_for_status(
    client: httpx2.AsyncClient,
    image_id: int,
    *statuses: str,
    seconds: float = WAIT_SECONDS,
    every: float = 0.05,
) -> dict[str, Any]:
    """Poll until the image has one of the statuses, and return it. Fail if it ends in another status."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = await get_image(client, image_id)
        if found["status"] in statuses:
            return found
        assert found["status"] in UNFINISHED, found
        await asyncio.sleep(every)
    raise TimeoutError(f"image {image_id} did not become {' or '.join(statuses)}")


async def download_result(client: httpx2.AsyncClient, image_id: int) -> bytes:
    """Wait for the result, and download it by its link, without a token."""
    finished = await wait_for_status(client, image_id, "completed")
    async with httpx2.AsyncClient(timeout=30) as without_token:
        return (await without_token.get(finished["download_url"])).raise_for_status().content


async def count_used_images(client: httpx2.AsyncClient) -> int:
    """Return the number of images used this month."""
    return (await client.get("/api/usage")).json()["data"]["image_uploads"]["used"]


async def wait_until_used(client: httpx2.AsyncClient, count: int, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while (found := await count_used_images(client)) != count:
        assert time.monotonic() < deadline, f"{found} images used, not {count}"
        await asyncio.sleep(0.05)


@contextlib.contextmanager
def pause_worker(stack: Stack) -> Generator[None]:
    """Pause the worker, so that images stay pending."""
    pid = stack.stores.supervisor.pid("inference")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # the test has killed it
            os.kill(pid, signal.SIGCONT)
