"""The REST API as a client uses it."""

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


async def accepted(client: httpx2.AsyncClient, data: bytes, name: str = "photo.jpg", **fields: object) -> int:
    """Uploads and gives the image's id."""
    answer = await upscale(client, data, name, **fields)
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]["id"]


async def image(client: httpx2.AsyncClient, image_id: int) -> dict[str, Any]:
    answer = await client.get(f"/api/images/{image_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def until(
    client: httpx2.AsyncClient,
    image_id: int,
    *statuses: str,
    seconds: float = WAIT_SECONDS,
    every: float = 0.05,
) -> dict[str, Any]:
    """Polls until the image has one of the statuses."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = await image(client, image_id)
        if found["status"] in statuses:
            return found
        assert found["status"] in UNFINISHED, found
        await asyncio.sleep(every)
    raise TimeoutError(f"image {image_id} did not become {' or '.join(statuses)}")


async def result_of(client: httpx2.AsyncClient, image_id: int) -> bytes:
    """The finished image's bytes, through its download link and without a token."""
    finished = await until(client, image_id, "completed")
    async with httpx2.AsyncClient(timeout=30) as anyone:
        return (await anyone.get(finished["download_url"])).raise_for_status().content


async def used(client: httpx2.AsyncClient) -> int:
    """Images of this month, as billing counts them now."""
    return (await client.get("/api/usage")).json()["data"]["image_uploads"]["used"]


async def until_used(client: httpx2.AsyncClient, count: int, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while (found := await used(client)) != count:
        assert time.monotonic() < deadline, f"{found} images used, not {count}"
        await asyncio.sleep(0.05)


@contextlib.contextmanager
def nobody_working(stack: Stack) -> Generator[None]:
    """The worker stands still, so that images stay pending."""
    pid = stack.stores.supervisor.pid("inference")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
