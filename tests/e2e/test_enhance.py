"""The model `enhance`, which sharpens edges and removes noise, through the whole system.

Skipped where it was not built.
"""

import asyncio
import secrets
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image

from builder.registry import ENHANCE, networks_of
from loupe_local.triton import MODELS
from tests.client import download_result, upload_image, wait_for_status
from tests.pixels import encoded, opened, psnr, shrunk

BUILT = [network for network in networks_of(ENHANCE) if (MODELS / f"{network.name}_float").is_dir()]
pytestmark = pytest.mark.skipif(
    not BUILT,
    reason="ENHANCE IS NOT TESTED: no network for it was built; `make models` builds one where there is npm",
)


@pytest.fixture(scope="module", autouse=True)
async def enhance(anyone: httpx2.AsyncClient) -> None:
    """Wait until the model is listed: a worker announces the models of its Triton within seconds."""
    async with asyncio.timeout(30):
        while "enhance" not in [one["name"] for one in (await anyone.get("/api/models")).json()["data"]]:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("factor", [2, 3, 4])
async def test_the_result_of_a_low_quality_photo_resembles_the_original(
    jane: httpx2.AsyncClient, photos: Path, factor: int
) -> None:
    whole, small = shrunk(photos / "astronaut.png", factor)
    left, top = whole.width // 3 // factor, 0
    small = small.crop((left, top, left + 96, top + 96))
    truth = whole.crop((left * factor, 0, (left + 96) * factor, 96 * factor))

    image_id = await upload_image(jane, encoded(small, quality=60), scale_factor=factor, model="enhance")
    found = await wait_for_status(jane, image_id, "completed")
    result = opened(await download_result(jane, image_id))

    assert (found["model"]["used"], found["model"]["reason"]) == ("enhance", "asked_for")
    assert result.size == truth.size
    assert psnr(result, truth) > 20


async def test_noise_is_removed(jane: httpx2.AsyncClient) -> None:
    noisy = np.random.default_rng(7).normal(128, 12, (64, 64, 3)).clip(0, 255).astype(np.uint8)
    small = Image.fromarray(noisy)

    image_id = await upload_image(jane, encoded(small, "PNG"), "noise.png", scale_factor=4, model="enhance")
    result = opened(await download_result(jane, image_id))

    lanczos = small.resize(result.size, Image.Resampling.LANCZOS)
    assert np.asarray(result).std() < np.asarray(lanczos).std() / 2


async def test_16_bits_stay_16_bits(jane: httpx2.AsyncClient) -> None:
    ramp = np.linspace(0, 65535, 80, dtype=np.uint16)[None, :].repeat(64, 0)
    small = Image.fromarray(ramp)

    image_id = await upload_image(jane, encoded(small, "PNG"), "ramp.png", scale_factor=2, model="enhance")
    result = opened(await download_result(jane, image_id))

    assert (result.mode, result.size) == ("I;16", (160, 128))
    assert len(np.unique(np.asarray(result))) > 256


async def test_every_image_of_a_batch_uses_it(omar: httpx2.AsyncClient, photos: Path) -> None:
    small = encoded(Image.open(photos / "coffee.png").convert("RGB").resize((40, 30)))
    files = [("images[]", (f"{secrets.token_hex(4)}.jpg", small)) for _ in range(2)]

    answer = await omar.post("/api/batches", files=files, data={"model": "enhance", "strength": 0.5})
    ids = [image["id"] for image in answer.json()["data"]["images"]]
    found = [await wait_for_status(omar, image_id, "completed") for image_id in ids]

    assert [(image["model"]["used"], image["model"]["strength"]) for image in found] == [("enhance", 0.5)] * 2
