"""The sweep deletes old objects that belong to no image, and no others."""

from datetime import timedelta

import pytest

from common.blobs import KEYS_PER_PAGE
from imagefile.formats import FORMATS, Format, extension
from images.operations.orphans import Orphans
from images.tables import Status
from tests.images.images_rig import Rig, an_image, keys

AT_ONCE = timedelta(0)


async def put(rig: Rig, *object_keys: str) -> None:
    for key in object_keys:
        await rig.blobs.put(key, b"x", "image/png")


async def sweep(rig: Rig, older_than: timedelta = AT_ONCE) -> None:
    await Orphans(rig.sessions, rig.blobs, older_than).sweep()


async def test_objects_without_an_image_are_deleted(rig: Rig) -> None:
    await put(rig, "images/originals/aa.png", "images/originals/bb.jpg", "images/upscaled/cc.png")

    await sweep(rig)

    assert await keys(rig) == []


@pytest.mark.parametrize("status", Status)
async def test_objects_of_an_image_stay_whatever_its_status(rig: Rig, status: Status) -> None:
    image = await an_image(rig.sessions, status=status)
    await put(rig, image.original_path, image.upscaled_path, "images/originals/aa.png")

    await sweep(rig)

    assert await keys(rig) == sorted([image.original_path, image.upscaled_path])


@pytest.mark.parametrize("format_", FORMATS)
async def test_a_result_of_another_format_than_its_original_stays(rig: Rig, format_: Format) -> None:
    original = f"images/originals/{format_}.{extension(format_)}"
    upscaled = f"images/upscaled/{format_}.png"
    await an_image(rig.sessions, original_path=original, upscaled_path=upscaled)
    await put(rig, original, upscaled)

    await sweep(rig)

    assert await keys(rig) == [original, upscaled]


async def test_young_objects_stay_because_an_upload_may_be_under_way(rig: Rig) -> None:
    await put(rig, "images/originals/aa.png", "images/upscaled/aa.png")

    await sweep(rig, timedelta(hours=1))

    assert len(await keys(rig)) == 2


async def test_more_than_a_page_is_swept(rig: Rig) -> None:
    image = await an_image(rig.sessions, original_path="images/originals/0500x.png")
    orphans = [f"images/originals/{number:04}.png" for number in range(KEYS_PER_PAGE + 5)]
    await put(rig, image.original_path, *orphans)

    await sweep(rig)

    assert await keys(rig) == [image.original_path]


async def test_other_folders_are_not_swept(rig: Rig) -> None:
    await put(rig, "elsewhere/aa.png")

    await sweep(rig)

    assert await rig.blobs.get("elsewhere/aa.png") == b"x"
    await rig.blobs.delete(["elsewhere/aa.png"])
