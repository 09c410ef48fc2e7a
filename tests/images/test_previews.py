"""Previews are shown to their owner, and go wherever their image goes."""

from datetime import timedelta
from typing import Any

import pytest

from common import errors
from common.db import now
from imagefile import pyramid
from images.domain import deleted_users, expiry, jobs, library, previews
from images.events import Results
from images.operations.orphans import Orphans
from images.tables import Image, Status
from loupe.contract import PREVIEWS
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2
from tests.images.harness import RULES, Harness, insert_image, list_keys, read_events, read_image

JANE, OMAR = 1, 2


async def an_image(harness: Harness, *names: str, **fields: Any) -> Image:
    """Insert a completed image, and store all its objects."""
    status = {"status": Status.COMPLETED, "upscaled_bytes": 1, "previews": list(names) or None}
    image = await insert_image(harness.sessions, JANE, **(status | fields))
    for key in (image.original_path, image.upscaled_path, *(previews.key_of(image, each) for each in names)):
        await harness.blobs.put(key, b"x", "image/webp")
    return image


async def get(harness: Harness, image: Image) -> pb.Image:
    return (await harness.user(JANE).GetImage(pb.GetImageRequest(id=image.id or 0))).image


async def deliver_drops(harness: Harness) -> None:
    """Handle the events that say which objects must be deleted."""
    results = Results(harness.sessions, harness.blobs, RULES)
    for subject, payload in await read_events(harness.sessions):
        if subject == "images.objects_dropped":
            await results.delete_objects(payload)


async def test_an_image_without_previews_says_so(harness: Harness) -> None:
    found = await get(harness, await an_image(harness))

    assert not found.HasField("previews")


async def test_previews_have_links_to_what_is_stored(harness: Harness) -> None:
    image = await an_image(harness, "result.webp", "original.pyramid")

    shown = (await get(harness, image)).previews

    assert shown.original_url == ""
    assert f"{previews.key_of(image, 'result.webp')}?" in shown.result_url
    assert list(shown.pyramids) == ["original"]


async def test_a_report_of_unknown_previews_is_ignored(harness: Harness) -> None:
    image = await insert_image(harness.sessions, status=Status.PROCESSING, attempt=1)
    output = inference_pb2.Output(bytes=1, previews=["original.webp", "../../secret"])

    async with harness.sessions.begin() as session:
        event = inference_pb2.Finished(image_id=image.id or 0, fence=1, output=output)
        await jobs.finish(session, event, RULES)

    assert (await read_image(harness.sessions, image.id)).previews == ["original.webp"]


async def test_a_deleted_image_takes_all_its_previews_along_also_those_that_no_row_names(
    harness: Harness,
) -> None:
    image = await an_image(harness, *PREVIEWS, previews=None)
    other = await an_image(harness, "result.webp")

    async with harness.sessions.begin() as session:
        await library.delete(session, JANE, image.id or 0, RULES)
    await deliver_drops(harness)

    kept = [other.original_path, other.upscaled_path, previews.key_of(other, "result.webp")]
    assert await list_keys(harness) == sorted(kept)


async def test_an_image_whose_time_has_come_takes_its_previews_along(harness: Harness) -> None:
    await an_image(harness, *PREVIEWS, expires_at=now() - timedelta(seconds=1))

    async with harness.sessions.begin() as session:
        await expiry.delete_some(session)
    await deliver_drops(harness)

    assert await list_keys(harness) == []


async def test_a_deleted_account_takes_its_previews_along(harness: Harness) -> None:
    await an_image(harness, *PREVIEWS)

    async with harness.sessions.begin() as session:
        await deleted_users.delete_some(session, JANE)
    await deliver_drops(harness)

    assert await list_keys(harness) == []


async def test_previews_of_an_image_that_was_deleted_during_its_work_are_deleted(harness: Harness) -> None:
    image = await an_image(harness, *PREVIEWS)
    async with harness.sessions.begin() as session:
        await session.delete(await session.get_one(Image, image.id))

    async with harness.sessions.begin() as session:
        output = inference_pb2.Output(bytes=1, previews=PREVIEWS)
        path = image.upscaled_path
        event = inference_pb2.Finished(image_id=image.id or 0, fence=1, upscaled_path=path, output=output)
        await jobs.finish(session, event, RULES)
    await deliver_drops(harness)

    assert await list_keys(harness) == [image.original_path]
    await harness.blobs.delete([image.original_path])


async def test_the_sweep_deletes_previews_of_no_image(harness: Harness) -> None:
    image = await an_image(harness, "result.webp")
    for name in PREVIEWS:
        await harness.blobs.put(f"images/previews/abc.{name}", b"x", "image/webp")

    await Orphans(harness.sessions, harness.blobs, timedelta(0)).sweep()

    kept = [image.original_path, image.upscaled_path, previews.key_of(image, "result.webp")]
    assert await list_keys(harness) == sorted(kept)


async def test_a_work_order_names_the_place_of_the_previews(harness: Harness) -> None:
    image = await insert_image(harness.sessions)

    response = await harness.service().StartWork(pb.StartWorkRequest(image_id=image.id or 0))

    assert response.order.previews_path == previews.path_of(image)
    assert image.original_path.removeprefix("images/originals/").removesuffix(".png") in previews.path_of(
        image
    )


def a_pyramid(width: int, height: int) -> bytes:
    """Return a pyramid whose tiles are their numbers."""
    file = pyramid.File(width, height)
    for number in range(pyramid.count_tiles(width, height)):
        file.add(number, b"%d" % number)
    return file.finish()


async def test_a_pyramid_says_where_its_tiles_are(harness: Harness) -> None:
    image = await an_image(harness, "result.pyramid")
    data = a_pyramid(1300, 300)
    await harness.blobs.put(previews.key_of(image, "result.pyramid"), data, "x/y")

    found = await harness.user(JANE).GetPyramid(pb.GetPyramidRequest(id=image.id or 0, side="result"))

    assert f"{previews.key_of(image, 'result.pyramid')}?" in found.url
    assert [(level.size.width, level.columns, level.rows) for level in found.levels] == [
        (1300, 3, 1),
        (650, 2, 1),
        (325, 1, 1),
    ]
    tiles = [tile for level in found.levels for tile in level.tiles]
    assert b"".join(data[tile.offset :][: tile.bytes] for tile in tiles) == b"012345"


@pytest.mark.parametrize("side", ["original", "result", "elsewhere", ""])
async def test_an_image_without_that_pyramid_is_refused(harness: Harness, side: str) -> None:
    image = await an_image(harness, "original.webp", "result.webp")

    with pytest.raises(errors.NotFound) as caught:
        await harness.user(JANE).GetPyramid(pb.GetPyramidRequest(id=image.id or 0, side=side))

    assert caught.value.reason == "pyramid_not_found"


async def test_a_pyramid_whose_object_is_lost_is_not_found(harness: Harness) -> None:
    image = await an_image(harness, "result.pyramid")
    await harness.blobs.delete([previews.key_of(image, "result.pyramid")])

    with pytest.raises(errors.NotFound) as caught:
        await harness.user(JANE).GetPyramid(pb.GetPyramidRequest(id=image.id or 0, side="result"))

    assert caught.value.reason == "pyramid_not_found"


@pytest.mark.parametrize("size", [(1 << 20, 1 << 20), (0, 5), ((1 << 32) - 1, 1)], ids=str)
async def test_a_pyramid_that_announces_impossible_tiles_is_not_read(
    harness: Harness, size: tuple[int, int]
) -> None:
    image = await an_image(harness, "result.pyramid")
    header = pyramid.HEADER.pack(pyramid.MAGIC, *size, pyramid.TILE)
    await harness.blobs.put(previews.key_of(image, "result.pyramid"), header, "x/y")

    with pytest.raises(errors.NotFound) as caught:
        await harness.user(JANE).GetPyramid(pb.GetPyramidRequest(id=image.id or 0, side="result"))

    assert caught.value.reason == "pyramid_not_found"


async def test_another_users_pyramid_is_not_found(harness: Harness) -> None:
    image = await an_image(harness, "result.pyramid")

    with pytest.raises(errors.NotFound) as caught:
        await harness.user(OMAR).GetPyramid(pb.GetPyramidRequest(id=image.id or 0, side="result"))

    assert caught.value.reason == "image_not_found"
