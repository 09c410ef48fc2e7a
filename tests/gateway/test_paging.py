"""Lists in pages: each answer has the wanted page, and working links to the others."""

from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.client import upload_image, wait_for_status
from tests.gateway.harness import Harness, People, Person
from tests.pixels import encoded

PHOTO = encoded(Image.new("RGB", (2, 2)))


@pytest.fixture(scope="module")
async def owner(gateway: Harness, people: People) -> tuple[Person, list[int]]:
    """Return a user, and the ids of five finished images, newest first."""
    person = await people.new("starter")
    async with gateway.client(person.token) as client:
        ids = [await upload_image(client, PHOTO) for _ in range(5)]
        for image_id in ids:
            await wait_for_status(client, image_id, "completed")
    return person, ids[::-1]


async def listed(gateway: Harness, person: Person, query: str, path: str = "/api/images") -> dict[str, Any]:
    async with gateway.client(person.token) as client:
        answer = await client.get(f"{path}?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def pages_of(links: dict[str, str | None]) -> dict[str, str | None]:
    """Return the page number in each link."""
    return {name: httpx2.URL(url).params["page"] if url else None for name, url in links.items()}


@pytest.mark.parametrize(
    ("query", "found", "current", "prev", "following"),
    [
        ("per_page=2", slice(0, 2), 1, None, "2"),
        ("per_page=2&page=1", slice(0, 2), 1, None, "2"),
        ("per_page=2&page=2", slice(2, 4), 2, "1", "3"),
        ("per_page=2&page=3", slice(4, 5), 3, "2", None),
        ("per_page=2&page=4", slice(0, 0), 4, "3", None),
        ("per_page=2&page=900", slice(0, 0), 900, "3", None),
        ("per_page=2&page=0", slice(0, 2), 1, None, "2"),
        ("per_page=2&page=-1", slice(0, 2), 1, None, "2"),
        ("per_page=2&page=two", slice(0, 2), 1, None, "2"),
        ("per_page=2&page=2.0", slice(0, 2), 1, None, "2"),
        ("per_page=2&page=", slice(0, 2), 1, None, "2"),
        ("per_page=2&page=1&page=2", slice(2, 4), 2, "1", "3"),
    ],
)
async def test_each_page_has_its_images_and_links_to_the_others(
    gateway: Harness,
    owner: tuple[Person, list[int]],
    query: str,
    found: slice,
    current: int,
    prev: str | None,
    following: str | None,
) -> None:
    person, ids = owner

    page = await listed(gateway, person, query)

    assert [image["id"] for image in page["data"]] == ids[found]
    assert list(page["meta"].items()) == [
        ("current_page", current),
        ("last_page", 3),
        ("per_page", 2),
        ("total", 5),
    ]
    assert pages_of(page["links"]) == {"first": "1", "last": "3", "prev": prev, "next": following}


@pytest.mark.parametrize(
    ("query", "per_page", "last"),
    [
        ("", 15, 1),
        ("per_page=", 15, 1),
        ("per_page=many", 15, 1),
        ("per_page=1.5", 15, 1),
        ("per_page=0", 1, 5),
        ("per_page=-3", 1, 5),
        ("per_page=4", 4, 2),
        ("per_page=5", 5, 1),
        ("per_page=100", 100, 1),
        ("per_page=101", 100, 1),
        ("per_page=999999999999", 100, 1),
    ],
)
async def test_a_page_has_1_to_100_images_and_15_by_default(
    gateway: Harness, owner: tuple[Person, list[int]], query: str, per_page: int, last: int
) -> None:
    page = await listed(gateway, owner[0], query)

    assert (page["meta"]["per_page"], page["meta"]["last_page"]) == (per_page, last)


async def test_a_page_past_the_end_is_empty(gateway: Harness, owner: tuple[Person, list[int]]) -> None:
    page = await listed(gateway, owner[0], "page=999999999999&per_page=100")

    assert (page["data"], page["meta"]["total"]) == ([], 5)
    assert pages_of(page["links"])["prev"] == "1"


async def test_links_are_absolute_and_repeat_the_query(
    gateway: Harness, owner: tuple[Person, list[int]]
) -> None:
    base = gateway.backend.settings.public_url or gateway.url

    page = await listed(gateway, owner[0], "other=1&status=completed&page=2&per_page=2")

    assert page["links"] == {
        name: f"{base}/api/images?page={number}&per_page=2&status=completed"
        for name, number in {"first": 1, "last": 3, "prev": 1, "next": 3}.items()
    }


async def test_following_next_visits_every_image_once(
    gateway: Harness, owner: tuple[Person, list[int]]
) -> None:
    person, ids = owner
    visited: list[int] = []
    url: str | None = f"{gateway.url}/api/images?per_page=2&status=completed"

    async with gateway.client(person.token) as client:
        while url:
            page = (await client.get(url)).raise_for_status().json()
            visited += [image["id"] for image in page["data"]]
            url = page["links"]["next"]

    assert visited == ids


async def test_a_filter_counts_only_matching_images(
    gateway: Harness, owner: tuple[Person, list[int]]
) -> None:
    page = await listed(gateway, owner[0], "status=failed&page=3")

    assert page["data"] == []
    assert page["meta"] == {"current_page": 3, "last_page": 1, "per_page": 15, "total": 0}
    assert pages_of(page["links"]) == {"first": "1", "last": "1", "prev": "1", "next": None}


async def test_an_empty_filter_matches_everything(gateway: Harness, owner: tuple[Person, list[int]]) -> None:
    page = await listed(gateway, owner[0], "status=")

    assert page["meta"]["total"] == 5


@pytest.mark.parametrize("status", ["done", "PENDING", "pending,failed", "cancelled", " "])
async def test_an_unknown_status_is_refused(
    gateway: Harness, owner: tuple[Person, list[int]], status: str
) -> None:
    async with gateway.client(owner[0].token) as client:
        answer = await client.get("/api/images", params={"status": status})

    assert (answer.status_code, answer.json()["message"]) == (422, "Validation failed")
    assert answer.json()["errors"] == {
        "status": ["The status must be one of: pending, processing, completed, failed."]
    }
