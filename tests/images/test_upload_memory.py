"""Uploads take no more memory than the limit, and give all of it back, however they end."""

import contextlib
import tracemalloc
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from common import errors
from common.db import now
from images.upload_tables import DirectUpload
from images.uploads.direct import DirectUploads
from images.uploads.memory import Account, UploadMemory
from images.uploads.single import receive
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness
from tests.images.test_uploads import PHOTO

JANE, OMAR, ANN = 1, 2, 3
MIB = 1 << 20
MANY = 10 * MIB


async def an_upload(*sizes: int, ends: bool = True) -> AsyncIterator[pb.UpscaleRequest]:
    """Yield a file in chunks of these sizes."""
    yield pb.UpscaleRequest(start=pb.UpscaleRequest.Start(filename="a.png"))
    for size in sizes:
        yield pb.UpscaleRequest(chunk=bytes(size))
    if ends:
        yield pb.UpscaleRequest(options=pb.UpscaleRequest.Options())


async def a_batch(*files: bytes) -> AsyncIterator[pb.CreateBatchRequest]:
    for data in files:
        yield pb.CreateBatchRequest(file=pb.CreateBatchRequest.File(filename="a.png"))
        yield pb.CreateBatchRequest(chunk=data)
    yield pb.CreateBatchRequest(options=pb.CreateBatchRequest.Options())


async def test_an_upload_beyond_the_memory_is_refused_and_another_may_follow() -> None:
    memory = UploadMemory(4 * MIB)
    with memory.account(JANE) as first, memory.account(OMAR) as other:
        await receive(an_upload(MIB, MIB), MANY, first)
        await receive(an_upload(MIB), MANY, other)
        assert memory.used == 3 * MIB

        with memory.account(ANN) as second, pytest.raises(errors.Unavailable) as caught:
            await receive(an_upload(MIB, 1), MANY, second)

    assert caught.value.reason == "uploads_full"
    assert caught.value.retry_after_seconds > 0
    assert memory.used == 0


async def test_a_user_takes_half_of_the_memory_at_most() -> None:
    memory = UploadMemory(4 * MIB)
    with memory.account(JANE) as first, memory.account(JANE) as second, memory.account(OMAR) as other:
        await receive(an_upload(MIB), MANY, first)

        with pytest.raises(errors.Unavailable) as caught:
            await receive(an_upload(MIB, 1), MANY, second)

        assert caught.value.reason == "too_many_uploads"
        await receive(an_upload(MIB), MANY, other)


async def test_users_who_take_all_that_they_can_leave_room_for_one_more() -> None:
    memory = UploadMemory(64 * MIB)
    with contextlib.ExitStack() as uploads:
        for user_id in range(1, 5):
            held = uploads.enter_context(memory.account(user_id))
            with pytest.raises(errors.Unavailable):
                await receive(an_upload(*[MIB] * 100), 100 * MIB, held)
            with contextlib.suppress(errors.Unavailable):
                while True:  # what the user got back at the refusal is held again
                    held.add(MIB)

        newcomer = uploads.enter_context(memory.account(5))
        await receive(an_upload(MIB), MANY, newcomer)


async def an_upload_by_id(harness: Harness, data: bytes) -> DirectUpload:
    upload = DirectUpload(
        id=uuid.uuid4(),
        user_id=JANE,
        filename="a.png",
        bytes=len(data),
        object_key="images/incoming/large",
        expires_at=now() + timedelta(hours=1),
    )
    await harness.blobs.put(upload.object_key, data, "image/png")
    return upload


async def test_no_file_is_in_memory_twice(harness: Harness) -> None:
    size = 20 * MIB
    memory, upload = UploadMemory(100 * MIB), await an_upload_by_id(harness, bytes(size))

    async def of_form(account: Account) -> bytes:
        return (await receive(an_upload(*[MIB] * 20), size, account)).data

    async def of_direct_upload(account: Account) -> bytes:
        return await DirectUploads(harness.context).read(upload, account)

    for read in (of_form, of_direct_upload):
        tracemalloc.start()
        with memory.account(JANE) as account:
            data = await read(account)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert len(data) == size
        assert most < 1.5 * size, read.__name__
        del data


@pytest.mark.parametrize("sizes", [(5 * MIB, 6 * MIB), (MIB,)])
async def test_an_upload_that_ends_early_gives_its_memory_back(sizes: tuple[int, ...]) -> None:
    memory = UploadMemory(100 * MIB)

    with pytest.raises(errors.InvalidArgument), memory.account(JANE) as account:
        await receive(an_upload(*sizes, ends=False), MANY, account)

    assert memory.used == 0


async def test_a_batch_takes_the_memory_of_two_files_whatever_their_number(harness: Harness) -> None:
    memory = UploadMemory(4 * len(PHOTO))
    uploads = harness.batch_uploads(memory=memory)

    with pytest.raises(errors.PermissionDenied):  # the plan has no batches, which is found out at the end
        await uploads.accept(JANE, a_batch(*[PHOTO] * 6))

    assert memory.used == 0


async def test_a_batch_beyond_the_memory_is_refused_and_leaves_nothing(harness: Harness) -> None:
    memory = UploadMemory(4 * len(PHOTO))
    uploads = harness.batch_uploads(memory=memory)

    with pytest.raises(errors.Unavailable) as caught:
        await uploads.accept(JANE, a_batch(PHOTO, PHOTO, PHOTO * 3))

    assert caught.value.reason == "too_many_uploads"
    assert memory.used == 0


async def test_damaged_and_too_large_files_of_a_batch_give_their_memory_back(harness: Harness) -> None:
    settings = harness.settings.model_copy(update={"largest_upload_bytes": 2000})
    memory = UploadMemory(8000)
    uploads = harness.batch_uploads(memory=memory, settings=settings)

    with pytest.raises(errors.InvalidArgument) as caught:
        await uploads.accept(JANE, a_batch(*[b"x" * 1900, b"x" * 2100] * 5))

    assert len(caught.value.fields) == 10
    assert memory.used == 0
