"""Compares the seconds that were estimated when an image was accepted with the seconds that it then took.

The first round teaches the worker its speeds. In the second round images come alone and as a queue.
"""

import asyncio
import statistics
from dataclasses import dataclass
from typing import Any

import httpx2
from PIL import Image

from loupe_local.stack import Stack
from tests.bench.pipeline import PHOTO
from tests.client import client_of, get_image, upscale, wait_for_status
from tests.pixels import encoded

ANNOUNCED_AFTER_SECONDS = 12.0
"""The worker announces its speeds every ten seconds."""


@dataclass(frozen=True, slots=True)
class Errors:
    """The differences between estimates and the truth."""

    median_percent: float
    """Median of the difference, in percent of the seconds that the image took."""
    smallest_ratio: float
    """The estimate that fell most short: its seconds over the real ones."""


@dataclass(frozen=True, slots=True)
class Upload:
    data: bytes
    name: str
    scale: int


def uploads() -> list[Upload]:
    """Return pictures that take at least a second and differ in size, scale and network."""
    photo = Image.open(PHOTO).convert("RGB")
    large = photo.resize((1024, 1024), Image.Resampling.LANCZOS)
    clean = [Upload(encoded(large, "PNG"), "clean.png", scale) for scale in (2, 4)]
    worn = [Upload(encoded(photo, quality=60), "worn.jpg", scale) for scale in (2, 4)]
    return clean + worn


async def errors(running: Stack) -> Errors:
    async with client_of(running, running.token) as client:
        for upload in uploads():
            await wait_for_status(client, await _id(client, upload), "completed", every=0.25)
        await asyncio.sleep(ANNOUNCED_AFTER_SECONDS)
        pairs = [await _estimated_and_real(client, [upload]) for upload in uploads()]
        pairs += [await _estimated_and_real(client, uploads() * 2)]
    found = [pair for group in pairs for pair in group]
    return Errors(
        statistics.median(abs(estimated - real) / real for estimated, real in found) * 100,
        min(estimated / real for estimated, real in found),
    )


async def _id(client: httpx2.AsyncClient, upload: Upload) -> int:
    return (await _accepted(client, upload))["id"]


async def _accepted(client: httpx2.AsyncClient, upload: Upload) -> dict[str, Any]:
    answer = await upscale(client, upload.data, upload.name, scale_factor=upload.scale)
    assert answer.status_code == 202, answer.text
    return await get_image(client, answer.json()["data"]["id"])


async def _estimated_and_real(client: httpx2.AsyncClient, uploads: list[Upload]) -> list[tuple[float, float]]:
    """Upload all at once. Return the estimate on acceptance and the real seconds of each."""
    accepted = [await _accepted(client, upload) for upload in uploads]
    pairs = list[tuple[float, float]]()
    for image in accepted:
        done = await wait_for_status(client, image["id"], "completed", seconds=600, every=0.25)
        if image["estimated_seconds"] is not None:
            pairs.append((image["estimated_seconds"], done["queue_time"] + done["processing_time"]))
    assert pairs, "nothing was estimated"
    return pairs
