"""Who enters the stream next, and how many: by the workers that run, and in turns by megapixels."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from common.db import Sessions, now
from images.domain import jobs, library, lost_jobs, queue_estimate
from images.domain.work import Speeds
from images.events import Users
from images.tables import UNFINISHED, Image, Worker
from loupe.auth.v1 import auth_pb2
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import RULES, Harness, build_image, insert_image, read_events, read_image
from tests.images.job_steps import JANE, OMAR, delete, finish, read_queued_ids, set_heartbeat_age, start
from tests.images.test_images_rpc import send_upload

FAIR = replace(RULES, window=0)
LARGE = {"upscaled_width": 8000, "upscaled_height": 6000, "work_megapixels": 48.0}
SMALL = {"upscaled_width": 1000, "upscaled_height": 1000, "work_megapixels": 1.0}


@pytest.fixture
def sessions(harness: Harness) -> Sessions:
    return harness.sessions


async def upload(sessions: Sessions, user_id: int, count: int, **fields: Any) -> list[Image]:
    """Accept `count` images of a user, each in a transaction of its own."""
    return [await upload_one(sessions, user_id, **fields) for _ in range(count)]


async def upload_one(sessions: Sessions, user_id: int, **fields: Any) -> Image:
    image = build_image(user_id, **(SMALL | fields))
    async with sessions.begin() as session:
        await library.add(session, user_id, [image], FAIR)
    return image


async def upload_at_once(sessions: Sessions, user_id: int, count: int, **fields: Any) -> list[Image]:
    images = [build_image(user_id, **(SMALL | fields)) for _ in range(count)]
    async with sessions.begin() as session:
        await library.add(session, user_id, images, FAIR)
    return images


async def announce(sessions: Sessions, name: str, places: int, **speeds: Any) -> None:
    async with sessions.begin() as session:
        await queue_estimate.announce_worker(session, name, Speeds(**speeds), places)


async def in_stream(sessions: Sessions) -> list[Image]:
    """Return the unfinished images that were let in, oldest first."""
    async with sessions.begin() as session:
        found = await session.exec(
            select(Image)
            .where(col(Image.status).in_(UNFINISHED), col(Image.dispatched_at).is_not(None))
            .order_by(col(Image.id))
        )
        return list(found.all())


async def users_in_stream(sessions: Sessions) -> Counter[int]:
    return Counter(image.user_id for image in await in_stream(sessions))


async def complete(sessions: Sessions, image: Image) -> None:
    await start(sessions, image)
    await finish(sessions, image, 1, rules=FAIR)


async def complete_all(sessions: Sessions, most: int = 1000) -> list[int]:
    """Complete one job after the other in the order of the stream. Return their users in that order."""
    users = list[int]()
    while len(users) < most and (queued := await unfinished_in_order(sessions)):
        await complete(sessions, queued[0])
        users.append(queued[0].user_id)
    return users


async def unfinished_in_order(sessions: Sessions) -> list[Image]:
    """Return the images in the stream in the order of their messages."""
    found = {image.id: image for image in await in_stream(sessions)}
    return [found[image_id] for image_id in await read_queued_ids(sessions) if image_id in found]


async def test_without_a_worker_the_first_jobs_wait_for_one_that_starts(sessions: Sessions) -> None:
    images = await upload(sessions, JANE, 10)

    assert await read_queued_ids(sessions) == [image.id for image in images[:4]]


@pytest.mark.parametrize(("places", "expected"), [([1], 2), ([3], 6), ([3, 2], 10)])
async def test_the_stream_holds_what_the_running_workers_can_take_twice(
    sessions: Sessions, places: Sequence[int], expected: int
) -> None:
    for number, count in enumerate(places):
        await announce(sessions, f"worker {number}", count)

    await upload_at_once(sessions, JANE, 20)

    assert len(await in_stream(sessions)) == expected


async def test_uploads_of_clients_fill_what_workers_have_announced(harness: Harness) -> None:
    request = pb.AnnounceModelsRequest(worker="worker", places=3)
    await harness.service("inference").AnnounceModels(request)

    for user_id in (JANE, JANE, OMAR, OMAR):
        await harness.user(user_id).Upscale(send_upload())

    # the harness has a limit of two images for each user
    assert await users_in_stream(harness.sessions) == {JANE: 2, OMAR: 2}
    assert {image.is_small for image in await in_stream(harness.sessions)} == {True}


async def test_a_worker_that_is_gone_takes_nothing(sessions: Sessions) -> None:
    await announce(sessions, "gone", 100)
    await announce(sessions, "running", 3)
    async with sessions.begin() as session:
        past = now() - timedelta(minutes=2)
        await session.exec(update(Worker).where(col(Worker.name) == "gone").values(announced_at=past))

    await upload_at_once(sessions, JANE, 20)

    assert len(await in_stream(sessions)) == 6


async def test_no_more_large_images_than_places_are_in_the_stream(sessions: Sessions) -> None:
    await announce(sessions, "worker", 3)

    await upload_at_once(sessions, JANE, 10, **LARGE)
    await upload_at_once(sessions, JANE, 10)

    assert Counter(image.is_small for image in await in_stream(sessions)) == {False: 3, True: 3}


@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["large", "small"])
async def test_behind_a_thousand_images_of_one_user_the_first_of_another_is_next(
    sessions: Sessions, size: dict[str, Any]
) -> None:
    await upload_at_once(sessions, JANE, 1000, **size)
    before = await read_queued_ids(sessions)

    image = await upload_one(sessions, OMAR)

    assert await read_queued_ids(sessions) == [*before, image.id]


async def test_a_second_small_image_follows_before_the_next_large_one_of_another_user(
    sessions: Sessions,
) -> None:
    await upload_at_once(sessions, JANE, 1000, **LARGE)
    await upload_at_once(sessions, OMAR, 48)

    done = await complete_all(sessions, most=49)

    assert done == [JANE, JANE, *[OMAR] * 47]


async def test_users_with_waiting_images_get_equal_megapixels(sessions: Sessions) -> None:
    large, small = {"work_megapixels": 6.0}, {"work_megapixels": 1.5}
    await upload_at_once(sessions, JANE, 100, **large)
    await upload_at_once(sessions, OMAR, 100, **small)

    done = Counter((await complete_all(sessions, most=54))[4:])

    assert done[OMAR] / done[JANE] == pytest.approx(4, rel=0.2)


async def test_three_users_take_turns(sessions: Sessions) -> None:
    for user_id in (1, 2, 3):
        await upload_at_once(sessions, user_id, 20)

    done = (await complete_all(sessions, most=40))[4:]

    assert max(Counter(done).values()) - min(Counter(done).values()) <= 2
    assert all(len(set(done[start : start + 6])) == 3 for start in range(30))


async def test_a_pause_saves_up_no_turns(sessions: Sessions) -> None:
    await upload_at_once(sessions, JANE, 200)
    await upload_at_once(sessions, OMAR, 1)
    await complete_all(sessions, most=60)
    await upload_at_once(sessions, OMAR, 100)

    done = Counter(await complete_all(sessions, most=40))

    assert done[JANE] == pytest.approx(20, abs=4)


async def test_a_new_user_waits_for_no_turns_that_others_had_before(sessions: Sessions) -> None:
    await upload_at_once(sessions, JANE, 200)
    await complete_all(sessions, most=60)

    await upload_at_once(sessions, OMAR, 100)
    done = Counter(await complete_all(sessions, most=40))

    assert done[OMAR] == pytest.approx(20, abs=4)


async def test_newcomers_get_one_more_round_and_then_wait_for_their_turn(sessions: Sessions) -> None:
    await upload_at_once(sessions, JANE, 20)

    for user_id in range(2, 10):
        await upload_at_once(sessions, user_id, 5)

    assert await users_in_stream(sessions) == {JANE: 4, 2: 1, 3: 1}


async def test_a_large_image_of_a_newcomer_waits_for_its_turn(sessions: Sessions) -> None:
    await upload_at_once(sessions, JANE, 20)

    await upload_one(sessions, OMAR, **LARGE)

    assert await users_in_stream(sessions) == {JANE: 4}


async def test_replicas_that_let_in_together_let_in_no_more(sessions: Sessions) -> None:
    users = range(1, 13)
    for user_id in users:
        for _ in range(5):
            await insert_image(sessions, user_id, **SMALL)

    async def dispatch(user_id: int) -> None:
        async with sessions.begin() as session:
            await jobs.lock_user(session, user_id)
            await jobs.dispatch(session, user_id, FAIR)

    await asyncio.gather(*(dispatch(user_id) for user_id in users))

    assert len(await in_stream(sessions)) <= 6
    assert len(await read_queued_ids(sessions)) == len(set(await read_queued_ids(sessions))) >= 4


async def test_a_row_that_another_transaction_changes_is_left_out_without_waiting(
    sessions: Sessions,
) -> None:
    first = await insert_image(sessions, JANE, turn=1.0, is_small=True, **SMALL)
    others = [await insert_image(sessions, OMAR, turn=2.0, is_small=True, **SMALL) for _ in range(5)]
    async with sessions.begin() as changing:
        await changing.exec(select(Image).where(Image.id == first.id).with_for_update())

        async with sessions.begin() as session:
            await jobs.let_in(session, FAIR)

    assert await read_queued_ids(sessions) == [image.id for image in others[:3]]


async def test_priority_images_have_room_of_their_own(sessions: Sessions) -> None:
    await upload_at_once(sessions, JANE, 20)

    await upload_at_once(sessions, OMAR, 20, is_priority=True)

    assert await users_in_stream(sessions) == {JANE: 4, OMAR: 4}


async def test_a_cancelled_image_makes_room_for_the_next_of_anyone(sessions: Sessions) -> None:
    [first, *_] = await upload_at_once(sessions, JANE, 4)
    for user_id in (2, 3, 4):
        await upload_one(sessions, user_id)

    await delete(sessions, first, rules=FAIR)

    assert await users_in_stream(sessions) == {JANE: 3, 2: 1, 3: 1, 4: 1}


async def test_the_images_of_a_deleted_user_make_room_at_once(harness: Harness) -> None:
    await upload_at_once(harness.sessions, JANE, 300)
    await upload_at_once(harness.sessions, OMAR, 3)
    event = auth_pb2.UserDeleted(user_id=JANE).SerializeToString()

    await Users(harness.sessions, FAIR).delete_data(event)

    assert await users_in_stream(harness.sessions) == {OMAR: 3}


async def test_a_lost_image_keeps_its_turn_and_goes_first(sessions: Sessions) -> None:
    images = await upload_at_once(sessions, JANE, 20)
    lost = await start(sessions, images[2])
    assert lost
    await set_heartbeat_age(sessions, lost, 61)

    async with sessions.begin() as session:
        await lost_jobs.requeue_abandoned(session, FAIR)
        await jobs.let_in(session, FAIR)

    expected = [image.id for image in (*images[:4], lost)]
    assert await read_queued_ids(sessions) == expected


async def test_images_of_the_release_before_count_and_get_turns(sessions: Sessions) -> None:
    """The release before lets in up to 16 of a user, and gives no turns."""
    for _ in range(16):
        await insert_image(sessions, JANE, dispatched_at=now())
    await insert_image(sessions, JANE)
    before = await users_in_stream(sessions)

    image = await upload_one(sessions, OMAR)

    assert before == await users_in_stream(sessions) == {JANE: 16}
    assert (await read_image(sessions, image.id)).turn > 0


async def test_jobs_that_take_no_time_may_wait_in_the_stream_for_fast_workers(sessions: Sessions) -> None:
    fast = {"by_kind": {"auto/x2/lossy": 100.0}, "other": 100.0, "seconds_per_job": 0.01}
    await announce(sessions, "worker", 3, **fast)

    await upload_at_once(sessions, JANE, 20, work_kind="auto/x2/lossy")

    assert len(await in_stream(sessions)) == 9


async def test_a_work_order_has_the_same_key_for_all_images_of_a_user(harness: Harness) -> None:
    images = [await upload_one(harness.sessions, user_id) for user_id in (JANE, JANE, OMAR)]
    worker = harness.service("inference")

    orders = [(await worker.StartWork(pb.StartWorkRequest(image_id=image.id or 0))).order for image in images]

    first, second, other = (order.fairness_key for order in orders)
    assert first == second != other
    assert len(first) == len(other) == 32


async def test_the_message_says_whether_the_image_is_small(sessions: Sessions) -> None:
    await upload_one(sessions, JANE)
    await upload_one(sessions, OMAR, **LARGE)
    await upload_one(sessions, 3, work_megapixels=0.1, upscaled_width=9000, upscaled_height=1000)

    payloads = [payload for subject, payload in await read_events(sessions) if subject == jobs.STANDARD]

    assert [pb.ImageSubmitted.FromString(payload).is_small for payload in payloads] == [True, False, False]
