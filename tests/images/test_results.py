"""The bytes of results are streamed to their owner, and a batch's images come in pages."""

import pytest
from minio.error import S3Error

from common import errors
from images.rpc_results import CHUNK_BYTES, RANGE_BYTES
from images.tables import Image, Status
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness, insert_batch, insert_image

JANE, OMAR = 1, 2


async def a_result(harness: Harness, data: bytes, size: int | None = None) -> Image:
    fields = {"status": Status.COMPLETED, "upscaled_bytes": len(data) if size is None else size}
    image = await insert_image(harness.sessions, JANE, **fields)
    await harness.blobs.put(image.upscaled_path, data, "image/png")
    return image


async def read(harness: Harness, image: Image, user_id: int = JANE) -> list[bytes]:
    request = pb.ReadResultRequest(id=image.id or 0)
    return [answer.chunk async for answer in harness.user(user_id).ReadResult(request)]


@pytest.mark.parametrize("size", [1, CHUNK_BYTES, RANGE_BYTES, 2 * RANGE_BYTES + CHUNK_BYTES + 1])
async def test_a_result_is_read_in_chunks(harness: Harness, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)

    chunks = await read(harness, await a_result(harness, data))

    assert b"".join(chunks) == data
    assert max(map(len, chunks)) <= CHUNK_BYTES


async def test_another_users_result_is_not_found(harness: Harness) -> None:
    with pytest.raises(errors.NotFound):
        await read(harness, await a_result(harness, b"x"), OMAR)


@pytest.mark.parametrize(
    ("status", "reason"), [(Status.PENDING, "image_processing"), (Status.FAILED, "image_failed")]
)
async def test_an_image_without_a_result_is_refused(harness: Harness, status: Status, reason: str) -> None:
    image = await insert_image(harness.sessions, JANE, status=status)

    with pytest.raises(errors.FailedPrecondition) as caught:
        await read(harness, image)

    assert caught.value.reason == reason


async def test_a_missing_object_fails_the_call(harness: Harness) -> None:
    image = await a_result(harness, b"x")
    await harness.blobs.delete([image.upscaled_path])

    with pytest.raises(errors.ServiceError):
        await read(harness, image)


async def test_an_object_that_is_too_short_fails_the_call(harness: Harness) -> None:
    with pytest.raises(errors.Internal):
        await read(harness, await a_result(harness, b"x" * 10, 20))


async def test_a_range_beyond_the_end_is_no_data(harness: Harness) -> None:
    image = await a_result(harness, b"0123456789")

    assert await harness.blobs.get_range(image.upscaled_path, 2, 3) == b"234"
    with pytest.raises(EOFError):
        await harness.blobs.get_range(image.upscaled_path, 8, 3)
    with pytest.raises(S3Error):
        await harness.blobs.get_range(image.upscaled_path, 20, 3)


async def test_the_images_of_a_batch_come_in_pages_in_the_order_of_their_upload(harness: Harness) -> None:
    batch, images = await insert_batch(harness.sessions, 5)
    await insert_image(harness.sessions)

    pages = [
        await harness.user(JANE).ListBatchImages(
            pb.ListBatchImagesRequest(batch_id=batch.id or 0, page=number, per_page=2)
        )
        for number in (1, 2, 3, 4)
    ]

    assert [image.id for page in pages for image in page.images] == [image.id for image in images]
    assert {page.total for page in pages} == {5}


async def test_the_images_of_a_batch_can_be_chosen_by_their_status(harness: Harness) -> None:
    batch, images = await insert_batch(harness.sessions, 2)
    async with harness.sessions.begin() as session:
        found = await session.get(Image, images[1].id)
        assert found
        found.status = Status.FAILED

    request = pb.ListBatchImagesRequest(batch_id=batch.id or 0, page=1, per_page=10, status=pb.STATUS_FAILED)
    page = await harness.user(JANE).ListBatchImages(request)

    assert ([image.id for image in page.images], page.total) == ([images[1].id], 1)


async def test_another_users_batch_is_not_found(harness: Harness) -> None:
    batch, _ = await insert_batch(harness.sessions, 1)

    with pytest.raises(errors.NotFound):
        await harness.user(OMAR).ListBatchImages(
            pb.ListBatchImagesRequest(batch_id=batch.id or 0, page=1, per_page=10)
        )
