"""Lists of images and of batches, line by line."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, upload_image, wait_for_status
from tests.contract.api_client import SMALL, a_batch, invalid_fields
from tests.contract.shapes import BATCH, IMAGE, a_page_of, check
from tests.gateway.harness import People, Person

SHAPES = {"images": IMAGE, "batches": BATCH}
STATUSES = {
    "images": "pending, processing, completed, failed",
    "batches": "pending, processing, completed, partially_failed, failed, cancelled",
}


@pytest.fixture(scope="module")
async def collector(stack: Stack, people: People) -> Person:
    """Return a user with three images and three batches of one image."""
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        single = [await upload_image(client, SMALL) for _ in range(3)]
        for number in range(3):
            assert (await a_batch(client, SMALL, name=f"batch {number}")).status_code == 202
        await asyncio.gather(*(wait_for_status(client, image_id, "completed") for image_id in single))
        await until_completed(client)
    return person


async def until_completed(client: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while (await client.get("/api/batches?status=completed")).json()["meta"]["total"] < 3:
            await asyncio.sleep(0.05)


@pytest.fixture
async def client(stack: Stack, collector: Person):  # noqa: ANN201
    async with client_of(stack, collector.token) as opened:
        yield opened


@pytest.mark.parametrize(("noun", "total"), [("images", 6), ("batches", 3)])
async def test_a_list_is_newest_first_with_fifteen_per_page(
    client: httpx2.AsyncClient, noun: str, total: int
) -> None:
    answer = await client.get(f"/api/{noun}")

    body = answer.json()
    ids = [one["id"] for one in body["data"]]
    check(body, a_page_of(SHAPES[noun]))
    assert body["message"] == f"{noun.capitalize()} retrieved successfully"
    assert ids == sorted(ids, reverse=True)
    assert body["meta"] == {"current_page": 1, "last_page": 1, "per_page": 15, "total": total}


@pytest.mark.parametrize("noun", SHAPES)
@pytest.mark.parametrize(("sent", "used"), [("0", 1), ("-5", 1), ("101", 100), ("100", 100), ("2", 2)])
async def test_per_page_is_clamped_to_1_and_100(
    client: httpx2.AsyncClient, noun: str, sent: str, used: int
) -> None:
    answer = await client.get(f"/api/{noun}", params={"per_page": sent})

    assert answer.json()["meta"]["per_page"] == used


@pytest.mark.parametrize("noun", SHAPES)
async def test_a_page_past_the_end_is_empty(client: httpx2.AsyncClient, noun: str) -> None:
    answer = await client.get(f"/api/{noun}", params={"page": 99})

    assert (answer.status_code, answer.json()["data"]) == (200, [])
    assert answer.json()["meta"]["current_page"] == 99


@pytest.mark.parametrize("noun", SHAPES)
async def test_links_keep_per_page_and_status(client: httpx2.AsyncClient, stack: Stack, noun: str) -> None:
    answer = await client.get(f"/api/{noun}", params={"page": 2, "per_page": 1, "status": "completed"})

    links = answer.json()["links"]
    last = answer.json()["meta"]["last_page"]
    assert all(link.startswith(f"{stack.api}/api/{noun}?") for link in links.values())
    assert {name: parse_qs(urlsplit(link).query) for name, link in links.items()} == {
        name: {"page": [str(page)], "per_page": ["1"], "status": ["completed"]}
        for name, page in (("first", 1), ("last", last), ("prev", 1), ("next", 3))
    }


@pytest.mark.parametrize("noun", SHAPES)
async def test_there_is_no_link_before_the_first_or_after_the_last(
    client: httpx2.AsyncClient, noun: str
) -> None:
    links = (await client.get(f"/api/{noun}")).json()["links"]

    assert (links["prev"], links["next"]) == (None, None)
    assert links["first"] == links["last"]


@pytest.mark.parametrize("noun", SHAPES)
async def test_a_status_filters_and_an_unknown_one_is_422(client: httpx2.AsyncClient, noun: str) -> None:
    failed = await client.get(f"/api/{noun}", params={"status": "failed"})
    unknown = await client.get(f"/api/{noun}", params={"status": "nonsense"})

    assert (failed.status_code, failed.json()["meta"]["total"]) == (200, 0)
    assert invalid_fields(unknown) == {"status": [f"The status must be one of: {STATUSES[noun]}."]}


async def test_lists_have_only_the_callers_own(stack: Stack, people: People) -> None:
    person = await people.new("professional")

    async with client_of(stack, person.token) as client:
        totals = [(await client.get(f"/api/{noun}")).json()["meta"]["total"] for noun in SHAPES]

    assert totals == [0, 0]
