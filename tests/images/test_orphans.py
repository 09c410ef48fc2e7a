"""The sweep deletes old objects that belong to no image, and no other objects."""

from datetime import timedelta

import pytest

from common.blobs import KEYS_PER_PAGE
from imagefile.formats import FORMATS, Format, extension
from images.operations.orphans import Orphans, orphaned_objects
from images.tables import Status
from tests.images.harness import Harness, insert_image, list_keys

AT_ONCE = timedelta(0)


async def put(harness: Harness, *object_keys: str) -> None:
    for key in object_keys:
        await harness.blobs.put(key, b"x", "image/png")


async def sweep(harness: Harness, older_than: timedelta = AT_ONCE) -> None:
    await Orphans(harness.sessions, harness.blobs, older_than).sweep()


async def test_objects_without_an_image_are_deleted_and_counted(harness: Harness) -> None:
    await put(harness, "images/originals/aa.png", "images/originals/bb.jpg", "images/upscaled/cc.png")
    before = orphaned_objects._value.get()

    await sweep(harness)

    assert await list_keys(harness) == []
    assert orphaned_objects._value.get() - before == 3


@pytest.mark.parametrize("status", Status)
async def test_objects_of_an_image_stay_in_every_status(harness: Harness, status: Status) -> None:
    image = await insert_image(harness.sessions, status=status)
    await put(harness, image.original_path, image.upscaled_path, "images/originals/aa.png")

    await sweep(harness)

    assert await list_keys(harness) == sorted([image.original_path, image.upscaled_path])


@pytest.mark.parametrize("format_", FORMATS)
async def test_a_result_of_another_format_than_its_original_stays(harness: Harness, format_: Format) -> None:
    original = f"images/originals/{format_}.{extension(format_)}"
    upscaled = f"images/upscaled/{format_}.png"
    await insert_image(harness.sessions, original_path=original, upscaled_path=upscaled)
    await put(harness, original, upscaled)

    await sweep(harness)

    assert await list_keys(harness) == [original, upscaled]


async def test_young_objects_stay_because_an_upload_may_be_under_way(harness: Harness) -> None:
    await put(harness, "images/originals/aa.png", "images/upscaled/aa.png")

    await sweep(harness, timedelta(hours=1))

    assert len(await list_keys(harness)) == 2


async def test_more_orphans_than_a_page_of_keys_are_deleted(harness: Harness) -> None:
    image = await insert_image(harness.sessions, original_path="images/originals/0500x.png")
    orphans = [f"images/originals/{number:04}.png" for number in range(KEYS_PER_PAGE + 5)]
    await put(harness, image.original_path, *orphans)

    await sweep(harness)

    assert await list_keys(harness) == [image.original_path]


async def test_other_folders_are_not_swept(harness: Harness) -> None:
    await put(harness, "images/elsewhere/aa.png")

    await sweep(harness)

    assert await harness.blobs.get("images/elsewhere/aa.png") == b"x"
    await harness.blobs.delete(["images/elsewhere/aa.png"])
