"""A user's own images are listed in pages, newest first. Another user's images are not found."""

import pytest

from common import errors
from common.db import Sessions
from images.domain import library, pages
from images.tables import Image, Status
from tests.images.harness import RULES, insert_image

JANE, OMAR = 1, 2


async def read_page(
    sessions: Sessions, number: int = 1, size: int = 15, status: Status | None = None, user_id: int = JANE
) -> tuple[list[int | None], int]:
    async with sessions.begin() as session:
        images, total = await pages.page(session, user_id, status, number=number, size=size)
    return [image.id for image in images], total


async def read_own(sessions: Sessions, image: Image, user_id: int) -> Image:
    async with sessions.begin() as session:
        return await library.get(session, user_id, image.id or 0)


async def test_the_newest_comes_first_and_the_id_breaks_ties(sessions: Sessions) -> None:
    first = await insert_image(sessions)
    same_moment = [await insert_image(sessions, created_at=first.created_at) for _ in range(3)]

    found, total = await read_page(sessions)

    assert found == [image.id for image in [*reversed(same_moment), first]]
    assert total == 4


async def test_pages_cover_the_list_without_overlap_and_end_empty(sessions: Sessions) -> None:
    images = [await insert_image(sessions) for _ in range(7)]

    pages = [await read_page(sessions, number, 3) for number in (1, 2, 3, 4, 1000)]

    assert [total for _, total in pages] == [7] * 5
    assert [len(found) for found, _ in pages] == [3, 3, 1, 0, 0]
    assert [one for found, _ in pages for one in found] == [image.id for image in reversed(images)]


async def test_a_status_filters_page_and_total(sessions: Sessions) -> None:
    for status in Status:
        await insert_image(sessions, status=status)
    completed = await insert_image(sessions, status=Status.COMPLETED)

    for status in Status:
        found, total = await read_page(sessions, status=status)

        assert len(found) == total == (2 if status is Status.COMPLETED else 1)
    assert (await read_page(sessions, status=Status.COMPLETED))[0][0] == completed.id


async def test_another_users_image_is_not_found_or_listed(sessions: Sessions) -> None:
    image = await insert_image(sessions, JANE)

    for attempt in (library.get, library.get_completed):
        with pytest.raises(errors.NotFound) as caught:
            async with sessions.begin() as session:
                await attempt(session, OMAR, image.id or 0)
        assert caught.value.reason == "image_not_found"
    with pytest.raises(errors.NotFound):
        async with sessions.begin() as session:
            await library.delete(session, OMAR, image.id or 0, RULES)

    assert await read_page(sessions, user_id=OMAR) == ([], 0)
    assert (await read_own(sessions, image, JANE)).id == image.id


async def test_a_deleted_image_is_not_found_or_listed(sessions: Sessions) -> None:
    image = await insert_image(sessions)

    async with sessions.begin() as session:
        await library.delete(session, JANE, image.id or 0, RULES)

    with pytest.raises(errors.NotFound):
        await read_own(sessions, image, JANE)
    assert await read_page(sessions) == ([], 0)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.PENDING, "image_processing"),
        (Status.PROCESSING, "image_processing"),
        (Status.FAILED, "image_failed"),
    ],
)
async def test_only_a_finished_image_can_be_downloaded(
    sessions: Sessions, status: Status, reason: str
) -> None:
    image = await insert_image(sessions, status=status)

    with pytest.raises(errors.FailedPrecondition) as caught:
        async with sessions.begin() as session:
            await library.get_completed(session, JANE, image.id or 0)

    assert caught.value.reason == reason
