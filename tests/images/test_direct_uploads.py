"""A direct upload: the client puts the file into the store, and then names it instead of sending it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from PIL import Image
from sqlmodel import col, select, update

from common import errors
from common.blobs import Replaced
from common.db import now
from images.domain import direct_uploads
from images.events import Results, Users
from images.operations.orphans import Orphans
from images.upload_tables import DirectUpload
from images.uploads import direct
from loupe.auth.v1 import auth_pb2
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import RULES, Harness, list_keys, read_events
from tests.images.upload_traces import read_used_quota, set_plan
from tests.pixels import encoded

JANE, OMAR = 1, 2
PHOTO = encoded(Image.effect_noise((24, 16), 80).convert("RGB"))
TEXT = b"This is a text, whatever its name says." * 10


async def announce(harness: Harness, data: bytes = PHOTO, **changed: Any) -> pb.CreateUploadResponse:
    given: dict[str, Any] = {"filename": "photo.jpg", "bytes": len(data)} | changed
    return await harness.user(JANE).CreateUpload(pb.CreateUploadRequest(**given))


async def put(created: pb.CreateUploadResponse, data: bytes = PHOTO, content_type: str = "") -> int:
    headers = dict(created.headers) | ({"Content-Type": content_type} if content_type else {})
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.put(created.url, content=data, headers=headers)
    return answer.status_code


async def stored(harness: Harness, data: bytes = PHOTO, **changed: Any) -> str:
    """Announce and store a file, and return the id of the upload."""
    created = await announce(harness, data, **changed)
    assert await put(created, data) == 200
    return created.id


async def upscale(harness: Harness, upload_id: str, user_id: int = JANE, scale_factor: str = "2") -> pb.Image:
    async def parts() -> AsyncIterator[pb.UpscaleRequest]:
        yield pb.UpscaleRequest(start=pb.UpscaleRequest.Start(upload_id=upload_id))
        yield pb.UpscaleRequest(options=pb.UpscaleRequest.Options(scale_factor=scale_factor))

    return (await harness.user(user_id).Upscale(parts())).image


async def refusal(harness: Harness, upload_id: str, user_id: int = JANE) -> str:
    """Return the text of the refusal."""
    with pytest.raises(errors.InvalidArgument) as refused:
        await upscale(harness, upload_id, user_id)
    assert list(refused.value.fields) == ["upload_id"]
    return refused.value.fields["upload_id"][0]


async def change(harness: Harness, upload_id: str, **values: Any) -> None:
    async with harness.sessions.begin() as session:
        await session.exec(update(DirectUpload).where(col(DirectUpload.id) == upload_id).values(**values))


async def key_of(harness: Harness, upload_id: str) -> str:
    async with harness.sessions.begin() as session:
        return (await session.exec(select(DirectUpload.object_key).where(DirectUpload.id == upload_id))).one()


async def deliver_drops(harness: Harness) -> None:
    """Let images delete the objects that its events name."""
    results = Results(harness.sessions, harness.blobs, RULES)
    for subject, payload in await read_events(harness.sessions):
        if subject == "images.objects_dropped":
            await results.delete_objects(payload)


async def test_a_file_in_the_store_becomes_an_image_like_any_other(harness: Harness) -> None:
    image = await upscale(harness, await stored(harness), scale_factor="3")

    assert (image.original_filename, image.original_bytes) == ("photo.jpg", len(PHOTO))
    assert (image.original_size.width, image.scale_factor) == (24, 3)
    assert await harness.blobs.get(image.original_path) == PHOTO
    assert await read_used_quota(harness) == 1


async def test_the_object_of_a_used_upload_is_deleted(harness: Harness) -> None:
    image = await upscale(harness, await stored(harness))

    await deliver_drops(harness)

    assert await list_keys(harness) == [image.original_path]


async def test_what_is_put_again_after_its_use_goes_within_the_hour(harness: Harness) -> None:
    created = await announce(harness)
    await put(created)
    await upscale(harness, created.id)
    await deliver_drops(harness)

    again = await put(created)

    async with harness.sessions.begin() as session:
        expires_at = (await session.exec(select(DirectUpload.expires_at))).one()
    assert again == 200
    assert expires_at <= now() + direct_uploads.LINK_LIFETIME


async def test_the_store_refuses_another_length_and_another_type(harness: Harness) -> None:
    created = await announce(harness, content_type="image/jpeg")

    longer = await put(created, PHOTO + b"0")
    shorter = await put(created, PHOTO[:-1])
    other_type = await put(created, PHOTO, content_type="text/html")

    assert [longer, shorter, other_type] == [403] * 3
    assert await put(created) == 200


async def test_the_link_works_for_an_hour_and_the_upload_for_a_day(harness: Harness) -> None:
    created = await announce(harness)

    link, upload = created.link_expires_at.ToDatetime(), created.expires_at.ToDatetime()
    assert abs(link - now().replace(tzinfo=None) - timedelta(hours=1)) < timedelta(minutes=1)
    assert abs(upload - now().replace(tzinfo=None) - timedelta(hours=24)) < timedelta(minutes=1)
    assert "X-Amz-Expires=3600" in created.url


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"filename": ""}, "filename"),
        ({"bytes": 0}, "size"),
        ({"bytes": -1}, "size"),
        ({"bytes": (10 << 20) + 1}, "size"),
        ({"sha256": "abc"}, "sha256"),
        ({"sha256": "g" * 64}, "sha256"),
        ({"content_type": "image"}, "content_type"),
        ({"content_type": "image/jpeg\r\nX: 1"}, "content_type"),
        ({"content_type": "image/" + "x" * 200}, "content_type"),
    ],
)
async def test_what_is_wrong_is_refused_by_its_name(
    harness: Harness, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(errors.InvalidArgument) as refused:
        await announce(harness, **changed)

    assert list(refused.value.fields) == [field]


async def test_an_operator_may_allow_larger_files_this_way_alone(harness: Harness) -> None:
    settings = harness.settings.model_copy(update={"largest_direct_upload_bytes": 20 << 20})
    context = replace(harness.context, settings=settings)

    link = await direct.DirectUploads(context).create(
        JANE, pb.CreateUploadRequest(filename="large.png", bytes=20 << 20)
    )

    assert link.upload.bytes == 20 << 20


async def test_an_upload_serves_once(harness: Harness) -> None:
    upload_id = await stored(harness)
    await upscale(harness, upload_id)

    assert await refusal(harness, upload_id) == "The upload was already used."
    assert await read_used_quota(harness) == 1


async def test_of_two_uses_at_the_same_time_one_is_refused(harness: Harness) -> None:
    await set_plan(harness, "enterprise")
    upload_id = await stored(harness)

    ended = await asyncio.gather(*(upscale(harness, upload_id) for _ in range(4)), return_exceptions=True)

    accepted = [one for one in ended if isinstance(one, pb.Image)]
    assert len(accepted) == 1
    assert {one.fields["upload_id"][0] for one in ended if isinstance(one, errors.InvalidArgument)} == {
        "The upload was already used."
    }
    assert await read_used_quota(harness) == 1


@pytest.mark.parametrize("upload_id", ["abc", "00000000-0000-0000-0000-000000000000", "' OR 1=1"])
async def test_an_unknown_id_is_refused(harness: Harness, upload_id: str) -> None:
    assert "There is no upload with this id." in await refusal(harness, upload_id)


async def test_the_upload_of_another_user_counts_as_unknown(harness: Harness) -> None:
    upload_id = await stored(harness)

    assert "There is no upload with this id." in await refusal(harness, upload_id, OMAR)


async def test_an_expired_upload_is_refused_and_then_deleted(harness: Harness) -> None:
    upload_id = await stored(harness)
    await change(harness, upload_id, expires_at=now())

    text = await refusal(harness, upload_id)
    await direct.delete_expired(harness.sessions)
    await deliver_drops(harness)

    assert "It may have expired." in text
    assert await list_keys(harness) == []


async def test_many_expired_uploads_are_deleted_a_few_hundred_at_a_time(harness: Harness) -> None:
    async with harness.sessions.begin() as session:
        for number in range(2 * direct_uploads.EXPIRED_AT_ONCE + 1):
            session.add(a_row(JANE, number, now()))

    await direct.delete_expired(harness.sessions)

    async with harness.sessions.begin() as session:
        left = (await session.exec(select(DirectUpload))).all()
    assert left == []
    assert len(await read_events(harness.sessions)) == 3


async def test_a_file_that_was_never_stored_is_refused(harness: Harness) -> None:
    created = await announce(harness)

    assert await refusal(harness, created.id) == "No file was stored for this upload yet."


async def test_a_size_that_differs_is_refused_where_the_store_let_it_pass(harness: Harness) -> None:
    upload_id = await stored(harness)
    await harness.blobs.put(await key_of(harness, upload_id), PHOTO + b"0", "image/jpeg")

    assert str(len(PHOTO) + 1) in await refusal(harness, upload_id)


async def test_another_sha256_is_refused(harness: Harness) -> None:
    good, wrong = hashlib.sha256(PHOTO).hexdigest(), hashlib.sha256(TEXT).hexdigest()
    right_id = await stored(harness, sha256=good.upper())
    wrong_id = await stored(harness)
    await change(harness, wrong_id, sha256=wrong)

    image = await upscale(harness, right_id)

    assert image.id
    assert await refusal(harness, wrong_id) == "The SHA-256 of the stored file is not the announced one."


async def test_a_file_that_is_no_image_is_refused_and_can_be_replaced(harness: Harness) -> None:
    created = await announce(harness, PHOTO)
    text = (TEXT * (1 + len(PHOTO) // len(TEXT)))[: len(PHOTO)]
    await put(created, text)
    reason = await refusal(harness, created.id)

    await put(created, PHOTO)

    assert "image" in reason
    assert (await upscale(harness, created.id)).id
    assert await read_used_quota(harness) == 1


async def test_an_object_that_is_swapped_after_the_check_changes_nothing(harness: Harness) -> None:
    created = await announce(harness)
    await put(created, PHOTO)
    image = await upscale(harness, created.id)

    await put(created, bytes(len(PHOTO)))

    assert await harness.blobs.get(image.original_path) == PHOTO


async def test_an_object_that_is_swapped_while_it_is_read_is_refused(harness: Harness) -> None:
    key = await key_of(harness, await stored(harness))
    version = await harness.blobs.find_version(key)
    assert version
    await harness.blobs.put(key, bytes(len(PHOTO)), "image/jpeg")

    with pytest.raises(Replaced):
        await harness.blobs.get_range(key, 0, 100, version=version)


async def test_a_refused_use_reserves_and_stores_nothing(harness: Harness) -> None:
    upload_id = await stored(harness)

    with pytest.raises(errors.InvalidArgument):
        await upscale(harness, upload_id, scale_factor="9")

    assert await read_used_quota(harness) == 0
    assert await list_keys(harness) == [await key_of(harness, upload_id)]
    assert (await upscale(harness, upload_id)).id


def a_row(user_id: int, number: int, expires_at: datetime, size: int = 1) -> DirectUpload:
    return DirectUpload(
        id=f"00000000-0000-0000-0000-{number:012}",  # pyright: ignore[reportArgumentType]
        user_id=user_id,
        filename="a.jpg",
        bytes=size,
        object_key=f"{direct_uploads.FOLDER}{number}",
        expires_at=expires_at,
    )


@pytest.mark.parametrize(("count", "size"), [(100, 1), (2, 1 << 30)])
async def test_a_user_has_a_hundred_unused_uploads_and_two_gibibytes_at_most(
    harness: Harness, count: int, size: int
) -> None:
    async with harness.sessions.begin() as session:
        for number in range(count):
            session.add(a_row(JANE, number, now() + timedelta(hours=1), size))

    with pytest.raises(errors.ResourceExhausted) as refused:
        await announce(harness)
    await harness.user(OMAR).CreateUpload(pb.CreateUploadRequest(filename="a.jpg", bytes=1))
    async with harness.sessions.begin() as session:
        await session.exec(update(DirectUpload).values(used_at=now()))
    created = await announce(harness)

    assert refused.value.reason == "too_many_unused_uploads"
    assert created.id


async def test_a_deleted_account_leaves_no_upload(harness: Harness) -> None:
    await stored(harness)

    event = auth_pb2.UserDeleted(user_id=JANE).SerializeToString()
    await Users(harness.sessions).delete_data(event)
    await deliver_drops(harness)

    assert await list_keys(harness) == []
    with pytest.raises(errors.Unauthenticated):
        await announce(harness)


async def test_the_sweep_of_orphans_keeps_what_waits_and_deletes_what_was_put_again(harness: Harness) -> None:
    created = await announce(harness)
    await put(created)
    image = await upscale(harness, created.id)
    await deliver_drops(harness)
    await put(created)
    waiting = await key_of(harness, await stored(harness))

    await Orphans(harness.sessions, harness.blobs, timedelta(0)).sweep()

    assert await list_keys(harness) == sorted([image.original_path, waiting])


async def test_a_forged_event_deletes_no_upload_that_waits(harness: Harness) -> None:
    key = await key_of(harness, await stored(harness))

    forged = pb.ObjectsDropped(keys=[key]).SerializeToString()
    await Results(harness.sessions, harness.blobs, RULES).delete_objects(forged)

    assert await list_keys(harness) == [key]
