"""When something dies in the middle, every image still ends, and each is charged once."""

import asyncio
import shutil
import time
from pathlib import Path

import httpx2
import nats
import psutil
import pytest
from nats.js import JetStreamContext
from PIL import Image

from loupe_local.service_names import NAMES
from loupe_local.stack import Stack
from tests.client import count_used_images, download_result, upload_image, wait_for_status, wait_until_used
from tests.contract.api_client import until_deleted
from tests.pixels import encoded, opened

SECONDS_TO_RECOVER = 60.0
STORES = ("postgres", "nats", "objects", "triton")
"""Triton is the last, because only the worker needs it."""


def a_large_photo(photos: Path) -> bytes:
    """Return a photo that takes some seconds to upscale."""
    return encoded(Image.open(photos / "astronaut.png").convert("RGB").resize((640, 480)))


async def until_ready(client: httpx2.AsyncClient) -> None:
    deadline = time.monotonic() + SECONDS_TO_RECOVER
    while (answer := await client.get("/readyz")).is_error:
        assert time.monotonic() < deadline, answer.text
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("victim", ["inference", "nats", "triton", "images"])
async def test_an_image_survives_a_killed_process_and_is_charged_once(
    stack: Stack, jane: httpx2.AsyncClient, photos: Path, victim: str
) -> None:
    before = await count_used_images(jane)
    image_id = await upload_image(jane, a_large_photo(photos), scale_factor=4)
    await wait_for_status(jane, image_id, "processing")

    await stack.stores.supervisor.kill(victim)
    await stack.stores.supervisor.restart(victim)
    await until_ready(jane)
    result = opened(await download_result(jane, image_id))

    assert result.size == (2560, 1920)
    await wait_until_used(jane, before + 1)


async def test_a_broker_that_lost_its_disk_gets_its_streams_again(
    stack: Stack, jane: httpx2.AsyncClient, photos: Path
) -> None:
    """Neither a waiting image nor one that is under way is lost, and no service has to be started again."""
    before = await count_used_images(jane)
    supervisor = stack.stores.supervisor
    ids = [await upload_image(jane, a_large_photo(photos), scale_factor=4) for _ in range(2)]
    await wait_for_status(jane, ids[0], "processing")

    await supervisor.kill("nats")
    shutil.rmtree(supervisor.state.path("nats") / "jetstream")
    await supervisor.restart("nats")
    await until_ready(jane)
    ids.append(await upload_image(jane, encoded(Image.new("RGB", (4, 4), "teal"))))

    for image_id in ids:
        await wait_for_status(jane, image_id, "completed")
    await wait_until_used(jane, before + 3)
    assert all(supervisor.is_ready(name) for name in NAMES)


async def test_an_image_completes_although_so_many_models_die_that_triton_is_started_anew(
    stack: Stack, jane: httpx2.AsyncClient, photos: Path
) -> None:
    before, triton = await count_used_images(jane), stack.stores.supervisor.pid("triton")
    image_id = await upload_image(jane, a_large_photo(photos), scale_factor=4)
    await wait_for_status(jane, image_id, "processing")

    models = psutil.Process(triton).children()
    for model in models[:5]:
        model.kill()
    result = opened(await download_result(jane, image_id))

    assert result.size == (2560, 1920)
    await wait_until_used(jane, before + 1)
    assert stack.stores.supervisor.pid("triton") != triton


async def test_a_stopped_worker_gives_its_image_to_the_next_worker(
    stack: Stack, jane: httpx2.AsyncClient, photos: Path
) -> None:
    image_id = await upload_image(jane, a_large_photo(photos), scale_factor=4)
    await wait_for_status(jane, image_id, "processing")

    await stack.stores.supervisor.restart("inference")
    found = await wait_for_status(jane, image_id, "completed")

    assert found["upscaled_dimensions"] == "2560x1920"


async def test_work_on_a_deleted_image_stops_and_its_quota_is_given_back(
    stack: Stack, jane: httpx2.AsyncClient, photos: Path
) -> None:
    before = await count_used_images(jane)
    image_id = await upload_image(jane, a_large_photo(photos), scale_factor=4)
    found = await wait_for_status(jane, image_id, "processing")

    answer = await jane.delete(f"/api/images/{image_id}")

    assert (answer.status_code, answer.json()["message"]) == (200, "Image deleted successfully")
    assert (await jane.get(f"/api/images/{image_id}")).status_code == 404
    await wait_until_used(jane, before)
    await until_deleted(stack, found["original_path"])
    await until_deleted(stack, found["original_path"].replace("originals", "upscaled"))


async def test_while_a_service_is_unavailable_the_answer_is_503_with_retry_after(
    stack: Stack, jane: httpx2.AsyncClient
) -> None:
    await stack.stores.supervisor.stop("images")

    answer = await jane.get("/api/images")
    await stack.stores.supervisor.restart("images")
    await until_ready(jane)
    later = await jane.get("/api/images")

    assert (answer.status_code, answer.json()["success"]) == (503, False)
    assert int(answer.headers["retry-after"]) > 0
    assert later.status_code == 200


async def test_no_image_is_lost_when_the_stream_loses_everything(
    stack: Stack, jane: httpx2.AsyncClient, photos: Path
) -> None:
    await stack.stores.supervisor.stop("inference")
    image_id = await upload_image(jane, a_large_photo(photos), scale_factor=2)
    client = await nats.connect(stack.stores.nats_url("operator"))
    purged = await until_purged(client.jetstream())
    await client.close()

    await stack.stores.supervisor.restart("inference")
    found = await wait_for_status(jane, image_id, "completed", seconds=SECONDS_TO_RECOVER)

    assert purged >= 1
    assert found["status"] == "completed"


async def test_the_stream_of_the_previous_release_is_not_declared(
    stack: Stack, jane: httpx2.AsyncClient, photos: Path
) -> None:
    await download_result(jane, await upload_image(jane, a_large_photo(photos), scale_factor=2))

    client = await nats.connect(stack.stores.nats_url("operator"))
    names = {info.config.name for info in await client.jetstream().streams_info()}
    await client.close()

    assert "QUEUE" in names
    assert "JOBS" not in names


async def test_services_wait_at_their_start_for_each_missing_store(
    stack: Stack, jane: httpx2.AsyncClient
) -> None:
    """The stores come back one after the other, so that services wait for each of them."""
    supervisor = stack.stores.supervisor
    await asyncio.gather(*(supervisor.stop(name) for name in NAMES))
    await asyncio.gather(*(supervisor.kill(name) for name in STORES))

    starting = [asyncio.create_task(supervisor.restart(name)) for name in NAMES]
    answers, waiting = list[httpx2.Response | None](), list[bool]()
    for name in STORES:
        answers.append(await first_refusal(jane))
        waiting.append(not all(map(supervisor.is_ready, NAMES)))
        await supervisor.restart(name)
    await asyncio.gather(*starting)
    await until_ready(jane)

    assert waiting == [True] * len(STORES)
    assert {answer.status_code for answer in answers if answer} <= {503}
    assert (await jane.get("/api/user")).status_code == 200


async def first_refusal(client: httpx2.AsyncClient) -> httpx2.Response | None:
    """Return the gateway's first answer if it is an error, otherwise None."""
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = await client.get("/api/images")
        except httpx2.TransportError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        else:
            return answer if answer.is_error else None


async def until_purged(js: JetStreamContext) -> int:
    """Wait until the stream holds jobs, delete them all, and return how many there were."""
    deadline = time.monotonic() + 10
    while not (waiting := (await js.stream_info("QUEUE")).state.messages):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await js.purge_stream("QUEUE")
    return waiting
