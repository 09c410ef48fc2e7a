"""An image that ends its decoder fails by itself. Other images complete, and it costs nothing."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator

import httpx2
import psutil
from PIL import Image

from loupe_local.stack import Stack
from tests.client import count_used_images, download_result, upload_image, wait_for_status, wait_until_used
from tests.pixels import encoded, opened

SMALL = encoded(Image.effect_noise((24, 16), 80).convert("RGB"))
LARGE_BYTES = 90 << 20
"""A decoding child has more memory than this only while it decodes a picture of many megapixels."""


def a_heavy_picture() -> bytes:
    """Return 49 megapixels, which keep a decoder busy for a while."""
    tile = Image.effect_noise((500, 500), 90).convert("L")
    picture = Image.new("L", (7000, 7000))
    for offset in range(0, 7000, 500):
        picture.paste(tile, (offset, offset))
    return encoded(picture.convert("RGB"), "PNG", compress_level=1)


@contextlib.asynccontextmanager
async def decoder_killed_by_large_pictures(
    stack: Stack, number: signal.Signals = signal.SIGKILL
) -> AsyncGenerator[list[int]]:
    """Kill each decoding child that uses much memory, as the kernel would. Yield the killed process ids."""
    killed: list[int] = []

    async def watch() -> None:
        while True:
            worker = psutil.Process(stack.stores.supervisor.pid("inference"))
            for child in worker.children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if child.pid not in killed and child.memory_info().rss > LARGE_BYTES:
                        child.send_signal(number)
                        killed.append(child.pid)
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    yield killed
    watching.cancel()
    await asyncio.wait({watching})


async def test_an_image_that_always_crashes_the_decoder_fails_by_itself_and_costs_nothing(
    stack: Stack, jane: httpx2.AsyncClient, omar: httpx2.AsyncClient
) -> None:
    before = await count_used_images(jane)
    async with decoder_killed_by_large_pictures(stack) as killed:
        heavy = await upload_image(jane, a_heavy_picture(), target_width=7001)
        others = [await upload_image(omar, SMALL) for _ in range(3)]

        found = await wait_for_status(jane, heavy, "failed")
        results = [opened(await download_result(omar, other)) for other in others]

    assert len(killed) == 3
    assert found["error"]["code"] == "attempts_exhausted"
    assert [result.size for result in results] == [(48, 32)] * 3
    await wait_until_used(jane, before)
    assert opened(await download_result(jane, await upload_image(jane, SMALL))).size == (48, 32)


async def test_an_image_whose_decoder_runs_out_of_time_fails_at_once_and_costs_nothing(
    stack: Stack, jane: httpx2.AsyncClient
) -> None:
    before = await count_used_images(jane)
    async with decoder_killed_by_large_pictures(stack, signal.SIGXCPU) as killed:
        heavy = await upload_image(jane, a_heavy_picture(), target_width=7001)

        found = await wait_for_status(jane, heavy, "failed")

    assert len(killed) == 1
    assert found["error"] == {
        "code": "undecodable",
        "message": "The image takes too much time to decode.",
        "retryable": False,
    }
    await wait_until_used(jane, before)
