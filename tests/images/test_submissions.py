"""A submission with an idempotency key takes effect once, and its repeats get the first answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from common import errors
from images.submissions import Submissions, delete_expired
from images.uploads.body_hash import BodyHash
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness, poll
from tests.images.test_deleted_users import delete_account
from tests.images.test_images_rpc import PHOTO, send_upload
from tests.images.upload_traces import nothing_is_left, query_value, read_used_quota, refuse_commits, set_plan

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

JANE, OMAR = 1, 2
KEYS = "SELECT count(*) FROM idempotency_key"
IMAGES = "SELECT count(*) FROM image"
LATER = "UPDATE idempotency_key SET expires_at = expires_at - interval '{}'"
DEAD = LATER.format("21 seconds")
"""Lets the keys of submissions under way expire, as if their process had died."""
ROUTE = "images/upscale"


def key(text: str = "a", *, is_quota_used_up: bool = False) -> list[tuple[str, str]]:
    return [("idempotency-key", text)] + [("quota-used-up", "yes")] * is_quota_used_up


async def upscale(
    images: "ImagesServiceAsyncStub", metadata: Any = None, *, data: bytes = PHOTO, **options: Any
) -> pb.UpscaleResponse:
    return await images.Upscale(send_upload(data, **options), metadata=metadata or key())


async def send(
    images: "ImagesServiceAsyncStub", parts: AsyncIterator[pb.UpscaleRequest]
) -> pb.UpscaleResponse:
    return await images.Upscale(parts, metadata=key())


async def send_files(*names: str, **options: Any) -> AsyncIterator[pb.CreateBatchRequest]:
    for name in names:
        yield pb.CreateBatchRequest(file=pb.CreateBatchRequest.File(filename=name))
        yield pb.CreateBatchRequest(chunk=PHOTO)
    yield pb.CreateBatchRequest(options=pb.CreateBatchRequest.Options(**options))


async def execute(harness: Harness, statement: str) -> None:
    async with harness.sessions.begin() as session:
        await (await session.connection()).execute(sa.text(statement))


@pytest.fixture
async def jane(harness: Harness) -> "ImagesServiceAsyncStub":
    await set_plan(harness, "professional", JANE)
    return harness.user(JANE)


async def test_a_repeat_gets_the_first_answer_and_takes_no_place(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    first = await upscale(jane)
    again = await upscale(jane)

    assert (first.replayed, again.replayed) == (False, True)
    assert again.image == first.image
    assert not again.HasField("usage")
    assert await query_value(harness.sessions, IMAGES) == 1
    assert await read_used_quota(harness) == 1


async def test_a_repeated_batch_gets_the_first_answer(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    first = await jane.CreateBatch(send_files("a.jpg", "b.jpg", name="Two"), metadata=key())
    again = await jane.CreateBatch(send_files("a.jpg", "b.jpg", name="Two"), metadata=key())

    assert (first.replayed, again.replayed, again.batch) == (False, True, first.batch)
    assert await query_value(harness.sessions, IMAGES) == 2
    assert await read_used_quota(harness) == 2


async def test_a_repeat_gets_its_answer_although_the_image_was_deleted(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    first = await upscale(jane)
    await jane.DeleteImage(pb.DeleteImageRequest(id=first.image.id))

    again = await upscale(jane)

    assert (again.replayed, again.image) == (True, first.image)
    assert await query_value(harness.sessions, IMAGES) == 0


@pytest.mark.parametrize(
    "changed",
    [{"scale_factor": "3"}, {"filename": "other.jpg"}, {"data": PHOTO + b"x"}, {"scale_factor": ""}],
    ids=["option", "name", "file", "empty option"],
)
async def test_a_key_with_another_body_is_refused(
    harness: Harness, jane: "ImagesServiceAsyncStub", changed: dict[str, Any]
) -> None:
    await upscale(jane)

    with pytest.raises(errors.InvalidArgument) as caught:
        await upscale(jane, **changed)

    assert caught.value.reason == "idempotency_key_reused"
    assert list(caught.value.fields) == ["Idempotency-Key"]
    assert await query_value(harness.sessions, IMAGES) == 1
    assert (await upscale(jane)).replayed, "the key still has its answer"


async def test_keys_of_other_users_routes_and_texts_are_other_keys(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    await set_plan(harness, "professional", OMAR)

    answers = [
        await upscale(jane),
        await upscale(harness.user(OMAR)),
        await upscale(jane, key("A")),
        await jane.CreateBatch(send_files("photo.jpg"), metadata=key()),
    ]

    assert not any(answer.replayed for answer in answers)
    assert await query_value(harness.sessions, IMAGES) == 4


@pytest.mark.parametrize(("age", "is_stored"), [("23 hours", True), ("25 hours", False)])
async def test_an_answer_is_stored_for_a_day(
    harness: Harness, jane: "ImagesServiceAsyncStub", age: str, *, is_stored: bool
) -> None:
    first = await upscale(jane)
    await execute(harness, LATER.format(age))

    again = await upscale(jane)

    assert again.replayed == is_stored
    assert (again.image.id == first.image.id) == is_stored
    assert await query_value(harness.sessions, IMAGES) == (1 if is_stored else 2)


async def test_old_keys_are_deleted_and_others_stay(harness: Harness, jane: "ImagesServiceAsyncStub") -> None:
    await upscale(jane, key("old"))
    await execute(harness, LATER.format("25 hours"))
    await upscale(jane, key("new"))

    await delete_expired(harness.sessions)

    assert await query_value(harness.sessions, "SELECT string_agg(key, ',') FROM idempotency_key") == "new"


async def test_the_keys_of_a_deleted_account_are_deleted(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    await upscale(jane)

    await delete_account(harness)

    assert await query_value(harness.sessions, KEYS) == 0


async def test_a_refusal_is_not_stored_so_a_corrected_request_runs(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await upscale(jane, scale_factor="5")
    refused_keys = await query_value(harness.sessions, KEYS)

    corrected = await upscale(jane, scale_factor="4")

    assert (caught.value.reason, refused_keys) == ("validation_failed", 0)
    assert (corrected.replayed, corrected.image.scale_factor) == (False, 4)


async def test_without_a_place_in_the_quota_a_repeat_is_answered_and_a_new_request_is_not_read(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    read = list[int]()

    async def watched() -> AsyncIterator[pb.UpscaleRequest]:
        async for part in send_upload():
            read.append(1)
            yield part
            await poll(lambda: _keys_are(harness, 1))

    first = await upscale(jane)
    again = await upscale(jane, key(is_quota_used_up=True))
    with pytest.raises(errors.PermissionDenied) as caught:
        await jane.Upscale(watched(), metadata=key("b", is_quota_used_up=True))

    assert (again.replayed, again.image) == (True, first.image)
    assert caught.value.reason == "quota_exceeded"
    assert await query_value(harness.sessions, KEYS) == 1


async def _keys_are(harness: Harness, count: int) -> bool:
    return await query_value(harness.sessions, KEYS) == count


async def test_while_the_first_request_is_under_way_another_one_is_refused(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    goes_on = asyncio.Event()

    async def slow() -> AsyncIterator[pb.UpscaleRequest]:
        async for part in send_upload():
            yield part
            await goes_on.wait()

    first = asyncio.create_task(send(jane, slow()))
    await poll(lambda: _keys_are(harness, 1))
    with pytest.raises(errors.AlreadyExists) as caught:
        await upscale(jane)
    goes_on.set()
    answer = await first
    again = await upscale(jane)

    assert caught.value.reason == "idempotency_key_in_use"
    assert caught.value.retry_after_seconds == 1
    assert (answer.replayed, again.replayed, again.image) == (False, True, answer.image)


async def test_an_upload_that_is_cut_off_frees_its_key_at_once(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    async def cut_off() -> AsyncIterator[pb.UpscaleRequest]:
        async for part in send_upload():
            yield part
            if part.WhichOneof("part") == "chunk":
                await poll(lambda: _keys_are(harness, 1))
                raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await jane.Upscale(cut_off(), metadata=key())
    await poll(lambda: _keys_are(harness, 0))

    assert await nothing_is_left(harness)
    assert not (await upscale(jane)).replayed


async def test_a_repeat_that_is_cut_off_leaves_the_answer(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    async def cut_off() -> AsyncIterator[pb.UpscaleRequest]:
        yield pb.UpscaleRequest(start=pb.UpscaleRequest.Start(filename="photo.jpg"))
        raise ConnectionResetError

    first = await upscale(jane)
    with pytest.raises(ConnectionResetError):
        await jane.Upscale(cut_off(), metadata=key())

    assert (await upscale(jane)).image == first.image


async def test_fifty_requests_at_once_make_one_image(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    answers = await asyncio.gather(*(upscale(jane) for _ in range(50)), return_exceptions=True)

    made = [one for one in answers if isinstance(one, pb.UpscaleResponse) and not one.replayed]
    others = [one for one in answers if one not in made]
    assert len(made) == 1
    for one in others:
        assert isinstance(one, errors.AlreadyExists) or one.image == made[0].image  # pyright: ignore[reportAttributeAccessIssue]
    assert await query_value(harness.sessions, IMAGES) == 1
    assert await read_used_quota(harness) == 1


async def test_the_process_keeps_the_keys_of_its_submissions(harness: Harness) -> None:
    ours, others = Submissions(harness.sessions), Submissions(harness.sessions)
    async with ours.begin(JANE, ROUTE, dict(key())), others.begin(JANE, ROUTE, dict(key("b"))):
        await execute(harness, DEAD)

        await ours.renew()

        with pytest.raises(errors.AlreadyExists):
            await take(harness, "a")
        assert await take(harness, "b") is None


async def take(harness: Harness, text: str) -> object:
    """Return what is stored for a key of Jane, if another submission does not have it."""
    async with Submissions(harness.sessions).begin(JANE, ROUTE, dict(key(text))) as submission:
        return submission.stored


async def test_a_submission_that_lost_its_key_makes_no_image(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    """A frozen process goes on after another one has taken over the key."""
    goes_on = asyncio.Event()

    async def slow() -> AsyncIterator[pb.UpscaleRequest]:
        async for part in send_upload():
            yield part
            await goes_on.wait()

    frozen = asyncio.create_task(send(jane, slow()))
    await poll(lambda: _keys_are(harness, 1))
    await execute(harness, DEAD)
    answer = await upscale(jane)
    goes_on.set()
    with pytest.raises(errors.Unavailable):
        await frozen

    assert not answer.replayed
    assert await query_value(harness.sessions, IMAGES) == 1
    assert await read_used_quota(harness) == 1
    assert (await upscale(jane)).image == answer.image


async def test_a_failed_commit_frees_the_key(harness: Harness, jane: "ImagesServiceAsyncStub") -> None:
    async with refuse_commits(harness.sessions, "image", "INSERT"):
        with pytest.raises(errors.ServiceError):
            await upscale(jane)
    left = await query_value(harness.sessions, KEYS)

    again = await upscale(jane)

    assert (left, again.replayed) == (0, False)


async def test_a_renewal_does_not_shorten_the_life_of_an_answer(
    harness: Harness, jane: "ImagesServiceAsyncStub"
) -> None:
    submissions = Submissions(harness.sessions)
    async with submissions.begin(JANE, ROUTE, dict(key())) as submission:
        async with harness.sessions.begin() as session:
            await submission.store(session, pb.UpscaleResponse())

        await submissions.renew()

    lifetime = "SELECT expires_at > now() + interval '23 hours' FROM idempotency_key"
    assert await query_value(harness.sessions, lifetime)


async def test_nothing_is_stored_without_a_key(harness: Harness, jane: "ImagesServiceAsyncStub") -> None:
    answers = [await jane.Upscale(send_upload()) for _ in range(2)]

    assert [answer.replayed for answer in answers] == [False, False]
    assert await query_value(harness.sessions, KEYS) == 0


async def hash_of(parts: AsyncIterator[Any]) -> bytes:
    found = BodyHash()
    async for _ in found.over(parts):
        pass
    return found.digest()


async def as_stream(parts: Iterator[pb.UpscaleRequest]) -> AsyncIterator[pb.UpscaleRequest]:
    for part in parts:
        yield part


def in_pieces(
    data: bytes, size: int, upload_id: str = "", **options: Any
) -> AsyncIterator[pb.UpscaleRequest]:
    start = pb.UpscaleRequest(start=pb.UpscaleRequest.Start(filename="photo.jpg", upload_id=upload_id))
    chunks = (pb.UpscaleRequest(chunk=data[at : at + size]) for at in range(0, len(data), size))
    end = pb.UpscaleRequest(options=pb.UpscaleRequest.Options(**options))
    return as_stream(iter([start, *chunks, end]))


async def test_the_pieces_of_a_file_and_what_the_gateway_adds_do_not_change_the_hash() -> None:
    whole = await hash_of(in_pieces(PHOTO, len(PHOTO), scale_factor="2"))
    pieces = await hash_of(in_pieces(PHOTO, 7, scale_factor="2", near_misses={"fitt": "fit"}))

    assert whole == pieces


async def test_no_two_bodies_have_the_same_hash() -> None:
    bodies = [
        send_files("a", "b"),
        send_files("b", "a"),
        send_files("ab", ""),
        send_files("a"),
        send_files("a", "b", "c"),
        send_files("a", "b", name="a"),
        send_files("a", "b", fit="a"),
        in_pieces(PHOTO, 100),
        in_pieces(PHOTO[:-1], 100),
        in_pieces(b"", 100),
        in_pieces(b"", 100, upload_id="a"),
        in_pieces(b"", 100, upload_id="b"),
    ]

    found = [await hash_of(each) for each in bodies]

    assert len({*found}) == len(bodies)
