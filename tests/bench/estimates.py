"""Compares the seconds that were estimated before and after an upload with the seconds that it then took.

The first round teaches the worker its speeds. In the second round images come alone and as a queue.
"""

import asyncio
import io
import statistics
from dataclasses import dataclass
from itertools import chain
from typing import Any

import httpx2
from PIL import Image

from loupe_local.stack import Stack
from tests.bench.figures import Figure
from tests.bench.pipeline import PHOTO
from tests.client import client_of, get_image, upload_image, wait_for_status
from tests.pixels import encoded

ANNOUNCED_AFTER_SECONDS = 12.0
"""The worker announces its speeds every ten seconds."""


@dataclass(frozen=True, slots=True)
class Errors:
    """The differences between estimates and the truth."""

    within_percent: float
    """Percent of the images that took a time within the range that was estimated before their upload."""
    median_percent: float
    """Median of the difference, in percent of the seconds that the image took."""
    smallest_ratio: float
    """The estimate that fell most short: its seconds over the real ones."""

    def figures(self) -> dict[str, Figure]:
        return {
            "estimates_whose_range_holds_percent": Figure(self.within_percent, at_least=80),
            "estimate_error_median_percent": Figure(self.median_percent, at_most=25),
            "estimate_over_real_seconds_smallest": Figure(self.smallest_ratio, at_least=0.5),
        }


@dataclass(frozen=True, slots=True)
class Estimated:
    """The estimates of one image, and the seconds that it then took."""

    seconds: int
    """The estimate on acceptance."""
    is_within: bool
    """Whether it took a time within the range that was estimated before its upload."""
    real_seconds: float


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
            image_id = await upload_image(client, upload.data, upload.name, scale_factor=upload.scale)
            await wait_for_status(client, image_id, "completed", every=0.25)
        await asyncio.sleep(ANNOUNCED_AFTER_SECONDS)
        alone = [await _estimated(client, [upload]) for upload in uploads() * 2]
        found = [*chain(*alone), *await _estimated(client, uploads() * 2)]
    return Errors(
        sum(one.is_within for one in found) / len(found) * 100,
        statistics.median(abs(one.seconds - one.real_seconds) / one.real_seconds for one in found) * 100,
        min(one.seconds / one.real_seconds for one in found),
    )


async def _estimated(client: httpx2.AsyncClient, uploads: list[Upload]) -> list[Estimated]:
    """Upload all at once. Return the estimates of each and the seconds that it took."""
    ranges, accepted = list[dict[str, int]](), list[dict[str, Any]]()
    for upload in uploads:
        ranges.append(await _range_of(client, upload))
        image_id = await upload_image(client, upload.data, upload.name, scale_factor=upload.scale)
        accepted.append(await get_image(client, image_id))
    found = list[Estimated]()
    for range_, image in zip(ranges, accepted, strict=True):
        done = await wait_for_status(client, image["id"], "completed", seconds=600, every=0.25)
        real = done["queue_time"] + done["processing_time"]
        found.append(Estimated(image["estimated_seconds"], range_["low"] <= real <= range_["high"], real))
    return found


async def _range_of(client: httpx2.AsyncClient, upload: Upload) -> dict[str, int]:
    """Return `low`, `likely` and `high` of an estimate before the upload."""
    picture = Image.open(io.BytesIO(upload.data))
    body = {"width": picture.width, "height": picture.height, "format": (picture.format or "").lower()}
    answer = await client.post(
        "/api/estimate", json=body | {"scale_factor": upload.scale, "size": len(upload.data)}
    )
    return answer.raise_for_status().json()["data"]["seconds"]
