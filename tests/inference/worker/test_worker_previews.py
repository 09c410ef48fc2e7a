"""A job stores its previews beside its result, and completes without them if it has to."""

from dataclasses import replace

import pytest

from images.domain import jobs
from inference.previews.sides import PreviewRules
from loupe.images.v1 import images_pb2
from tests.images.harness import RULES, list_keys
from tests.inference.worker.harness import PHOTO, Harness
from tests.pixels import encoded, opened


@pytest.fixture
async def previewing(harness: Harness) -> Harness:
    return replace(harness, worker=replace(harness.worker, preview_rules=PreviewRules()))


def beside(original_path: str, *names: str) -> list[str]:
    stem = original_path.rpartition("/")[2].partition(".")[0]
    return [f"images/previews/{stem}.{name}" for name in names]


async def test_a_job_stores_a_preview_of_each_side_and_reports_them(previewing: Harness) -> None:
    image = await previewing.job()

    await previewing.do(image)

    [finished] = await previewing.results()
    original, result = beside(image.original_path, "original.webp", "result.webp")
    assert list(finished.output.previews) == ["original.webp", "result.webp"]
    assert await list_keys(previewing.images) == [image.original_path, original, result, image.upscaled_path]
    for key, size in ((original, (24, 16)), (result, (48, 32))):
        shown = opened(await previewing.images.blobs.get(key))
        assert (shown.format, shown.size) == ("WEBP", size)


async def test_a_tiff_gets_pyramids_too(previewing: Harness) -> None:
    original = encoded(opened(PHOTO), "TIFF")
    image = await previewing.job(original, upscaled_format="TIFF")

    await previewing.do(image)

    [finished] = await previewing.results()
    names = ["original.pyramid", "original.webp", "result.pyramid", "result.webp"]
    assert sorted(finished.output.previews) == names
    assert await list_keys(previewing.images) == sorted(
        [image.original_path, image.upscaled_path, *beside(image.original_path, *names)]
    )


async def test_images_stores_what_the_worker_reports(previewing: Harness) -> None:
    image = await previewing.job()
    await previewing.do(image)
    [finished] = await previewing.results()

    async with previewing.images.sessions.begin() as session:
        await jobs.finish(session, finished, RULES)

    assert (await previewing.row(image)).previews == ["original.webp", "result.webp"]


async def an_order(harness: Harness) -> images_pb2.WorkOrder:
    image = await harness.job()
    started = await harness.images.service().StartWork(
        images_pb2.StartWorkRequest(image_id=image.id or 0, models=["auto", "faithful"])
    )
    return started.order


async def test_images_of_the_release_before_gets_no_previews(previewing: Harness) -> None:
    order = await an_order(previewing)
    order.ClearField("previews_path")

    upscaled = await previewing.worker._pipeline.upscale(order, lambda _: None)

    assert upscaled.previews == {}
    assert upscaled.data


async def test_a_store_that_refuses_previews_costs_the_image_nothing_else(previewing: Harness) -> None:
    order = await an_order(previewing)
    order.previews_path = "elsewhere/not-allowed"
    pipeline = previewing.worker._pipeline

    stored = await pipeline.store(order, await pipeline.upscale(order, lambda _: None))

    assert stored == []
    assert opened(await previewing.images.blobs.get(order.upscaled_path)).size == (48, 32)
