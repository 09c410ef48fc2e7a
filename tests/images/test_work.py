"""The work of an image, its kind, and the speeds that estimates assume."""

from datetime import timedelta
from typing import Any

import pytest
from PIL import Image as Picture
from sqlmodel import col, update

from common.db import now
from images.domain import queue_estimate, work
from images.domain.work import Speeds
from images.tables import Image, Status
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness, build_image, insert_image, read_image
from tests.images.test_images_rpc import send_upload
from tests.pixels import encoded

PHOTO_X4 = "auto/x4/lossless"
JPEG_X4 = "auto/x4/lossy"
PHOTO_X2 = "auto/x2/lossless"
SIXTEEN: dict[str, Any] = {"work_megapixels": 16.0, "upscaled_width": 4000, "upscaled_height": 4000}


async def announce(harness: Harness, worker: str, speeds: dict[str, float], per_job: float = 0.0) -> None:
    request = pb.AnnounceModelsRequest(
        worker=worker,
        speeds=[
            pb.AnnounceModelsRequest.Speed(kind=kind, megapixels_per_second=speed)
            for kind, speed in speeds.items()
        ],
        seconds_per_job=per_job or None,
    )
    await harness.service("inference").AnnounceModels(request)


async def seconds_of(harness: Harness, *images: Image) -> list[int | None]:
    async with harness.sessions.begin() as session:
        queue = await queue_estimate.read(session, timedelta(seconds=60))
    return [queue.seconds(image) for image in images]


@pytest.mark.parametrize(
    ("result", "scale"),
    [((200, 100), 2), ((150, 75), 2), ((100, 150), 4), ((201, 100), 4), ((300, 150), 4), ((400, 200), 4)],
)
def test_a_result_takes_the_smallest_network_that_reaches_both_sides(
    result: tuple[int, int], scale: int
) -> None:
    assert work.network_scale((100, 50), result) == scale


async def test_an_upload_knows_its_work(harness: Harness) -> None:
    picture = Picture.new("RGB", (30, 20))
    data = encoded(picture, "JPEG", quality=60)

    answer = await harness.user().Upscale(send_upload(data, scale_factor="3", model="clean"))

    row = await read_image(harness.sessions, answer.image.id)
    assert row.work_kind == "clean/x4/lossy"
    assert row.work_megapixels == pytest.approx(16 * 30 * 20 / 1e6)


@pytest.mark.parametrize(
    ("file_format", "options", "kind"),
    [
        ("JPEG", {"quality": 60}, JPEG_X4),
        ("JPEG", {"quality": 90}, JPEG_X4),
        ("JPEG", {"quality": 95}, PHOTO_X4),
        ("JPEG", {"quality": 95, "subsampling": "4:2:0", "progressive": True}, PHOTO_X4),
        ("WEBP", {"quality": 95}, JPEG_X4),
        ("WEBP", {"lossless": True}, PHOTO_X4),
        ("AVIF", {}, PHOTO_X4),
        ("PNG", {}, PHOTO_X4),
    ],
)
async def test_a_fresh_jpeg_is_work_for_the_same_network_as_a_lossless_original(
    harness: Harness, file_format: str, options: dict[str, Any], kind: str
) -> None:
    data = encoded(Picture.effect_noise((40, 40), 80).convert("RGB"), file_format, **options)

    answer = await harness.user().Upscale(send_upload(data, scale_factor="4"))

    assert (await read_image(harness.sessions, answer.image.id)).work_kind == kind


async def test_the_worker_is_told_the_work_of_its_order(harness: Harness) -> None:
    image = await insert_image(harness.sessions, work_megapixels=2.5, work_kind=PHOTO_X2)

    response = await harness.service("inference").StartWork(pb.StartWorkRequest(image_id=image.id or 0))

    assert (response.order.work_megapixels, response.order.work_kind) == (2.5, PHOTO_X2)


async def test_each_kind_of_work_has_its_own_speed(harness: Harness) -> None:
    await announce(harness, "one", {PHOTO_X4: 4, JPEG_X4: 0.5})
    jpeg = await insert_image(harness.sessions, work_kind=JPEG_X4, **SIXTEEN)
    photo_behind = await insert_image(harness.sessions, work_kind=PHOTO_X4, **SIXTEEN)

    assert await seconds_of(harness, jpeg, photo_behind) == [32, 36]


async def test_the_time_beside_the_pixels_counts_for_each_image(harness: Harness) -> None:
    await announce(harness, "one", {PHOTO_X4: 16}, per_job=0.5)
    images = [
        await insert_image(harness.sessions, work_kind=PHOTO_X4, work_megapixels=0.001) for _ in range(10)
    ]

    assert (await seconds_of(harness, images[-1])) == [6]


async def test_a_kind_that_was_never_measured_is_compared_with_one_that_was(harness: Harness) -> None:
    await announce(harness, "one", {PHOTO_X4: 4})
    image = await insert_image(harness.sessions, work_kind=JPEG_X4, **SIXTEEN)

    [seconds] = await seconds_of(harness, image)

    # `clean` runs twice for x4, and takes 6.5 times the operations of `faithful`
    assert seconds == 26


async def test_workers_of_the_previous_release_count_with_their_only_speed(harness: Harness) -> None:
    request = pb.AnnounceModelsRequest(worker="old", megapixels_per_second=0.5)
    await harness.service("inference").AnnounceModels(request)
    image = await insert_image(harness.sessions, work_kind=JPEG_X4, **SIXTEEN)
    old_row = await insert_image(harness.sessions, upscaled_width=1000, upscaled_height=1000)

    assert await seconds_of(harness, image, old_row) == [32, 34]


async def test_a_worker_uses_what_another_one_measured(harness: Harness) -> None:
    await announce(harness, "one", {PHOTO_X4: 4, JPEG_X4: 0.5})
    await announce(harness, "new", {})
    image = await insert_image(harness.sessions, work_kind=JPEG_X4, **SIXTEEN)

    # one of the two makes it, the other one has nothing to do
    assert await seconds_of(harness, image) == [32]


async def test_an_image_under_way_is_judged_more_and_more_by_its_own_pace(harness: Harness) -> None:
    await announce(harness, "one", {PHOTO_X4: 1})
    image = await insert_image(
        harness.sessions, status=Status.PROCESSING, work_kind=PHOTO_X4, progress=80, **SIXTEEN
    )
    async with harness.sessions.begin() as session:
        started = {"started_at": now() - timedelta(seconds=800)}
        await session.exec(update(Image).where(col(Image.id) == image.id).values(started))
    image = await read_image(harness.sessions, image.id or 0)

    [seconds] = await seconds_of(harness, image)

    # 3.2 s remain by the announced speed, 200 s by its own pace
    assert seconds == pytest.approx(161, abs=2)


def test_the_speed_of_an_unknown_kind_is_that_of_all_kinds() -> None:
    speeds = Speeds({PHOTO_X4: 4.0}, other=0.25)

    assert speeds.seconds(build_image(work_kind="own/x4/lossy", work_megapixels=1.0)) == 4


def test_nothing_is_estimated_without_a_measurement() -> None:
    assert Speeds().seconds(build_image(work_kind=PHOTO_X4, work_megapixels=1.0)) is None


async def test_images_that_run_at_the_same_time_share_the_worker(harness: Harness) -> None:
    request = pb.AnnounceModelsRequest(worker="one", megapixels_per_second=1.0, places=3)
    await harness.service("inference").AnnounceModels(request)
    running = await insert_image(harness.sessions, status=Status.PROCESSING, work_megapixels=10.0)
    alone = await seconds_of(harness, running)

    waiting = [await insert_image(harness.sessions, work_megapixels=10.0) for _ in range(5)]

    assert alone == [10]
    assert await seconds_of(harness, running) == [30]
    # after the work before it, half of the work on two later images is done beside it
    assert await seconds_of(harness, waiting[0], waiting[-1]) == [30, 60]


async def test_the_cost_of_a_model_is_that_of_the_network_that_workers_have(harness: Harness) -> None:
    await announce(harness, "one", {PHOTO_X4: 4})
    enhance = await insert_image(harness.sessions, work_kind="enhance/x4/lossless", **SIXTEEN)
    with_the_large_network = await seconds_of(harness, enhance)

    offer = pb.AnnounceModelsRequest.Offer(name="enhance", nets=["realesr_general_x4v3"])
    await harness.service("inference").AnnounceModels(pb.AnnounceModelsRequest(models=[offer]))

    assert (with_the_large_network, await seconds_of(harness, enhance)) == ([169], [12])
