"""`Prefer: wait=n` on uploads and `?wait=n` on the two statuses: the answer comes when the work has ended."""

import asyncio
import contextlib

import httpx2
import pytest

from gateway.events.hub import MOST_READS
from loupe_local.stack import Stack
from tests.client import count_used_images, pause_worker, upload_image, wait_for_status
from tests.contract import shapes
from tests.contract.api_client import CORRUPT, SMALL, data_of, invalid_fields, refusal
from tests.gateway.harness import Harness, People, Person, gateway_on, settings_of
from tests.polling import until

IMAGE = {"image": ("photo.jpg", SMALL)}
BATCH = [("images[]", ("photo.jpg", SMALL)), ("images[]", ("other.jpg", SMALL))]
LONG = {"Prefer": "wait=120"}


@pytest.fixture(scope="module")
async def person(people: People) -> Person:
    return await people.new("enterprise")


@pytest.fixture
async def client(gateway: Harness, person: Person):  # noqa: ANN201
    limits = httpx2.Limits(max_connections=None)
    bearer = {"Authorization": f"Bearer {person.token}"}
    async with httpx2.AsyncClient(base_url=gateway.url, headers=bearer, limits=limits, timeout=150) as client:
        yield client


async def until_waiting(gateway: Harness, count: int) -> None:
    async with asyncio.timeout(60):
        while sum(map(len, gateway.backend.hub._waiting.values())) != count:
            await asyncio.sleep(0.02)


async def test_an_upload_that_ends_in_time_is_answered_with_the_full_image(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.post("/api/images/upscale", files=IMAGE, headers=LONG)

    image = data_of(answer, "Image retrieved successfully", shapes.IMAGE)
    assert image["status"] == "completed"
    assert image["download_url"]
    assert answer.headers["Preference-Applied"] == "wait=120"


async def test_an_image_that_fails_ends_the_wait_too(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/images/upscale", files={"image": ("a.tiff", CORRUPT)}, headers=LONG)

    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "failed")


async def test_an_upload_that_does_not_end_in_time_is_answered_as_usual(
    stack: Stack, client: httpx2.AsyncClient
) -> None:
    with pause_worker(stack):
        answer = await client.post("/api/images/upscale", files=IMAGE, headers={"Prefer": "wait=1"})

    data_of(answer, "Image uploaded and queued for processing", shapes.ACCEPTED, 202)
    assert answer.headers["Preference-Applied"] == "wait=1"


async def test_a_batch_waits_for_all_of_its_images(stack: Stack, client: httpx2.AsyncClient) -> None:
    ended = await client.post("/api/batches", files=BATCH, headers=LONG)
    with pause_worker(stack):
        late = await client.post("/api/batches", files=BATCH, headers={"Prefer": "wait=1"})

    batch = data_of(ended, "Batch retrieved successfully", shapes.BATCH)
    assert (batch["status"], len(batch["images"])) == ("completed", 2)
    assert ended.headers["Preference-Applied"] == "wait=120"
    data_of(late, "Batch created and images queued for processing", shapes.ACCEPTED_BATCH, 202)


async def test_a_status_waits_for_the_end(gateway: Harness, stack: Stack, client: httpx2.AsyncClient) -> None:
    with pause_worker(stack):
        image_id = await upload_image(client, SMALL)
        batch_id = (await client.post("/api/batches", files=BATCH)).json()["data"]["id"]
        early = await client.get(f"/api/images/{image_id}", params={"wait": 1})
        paths = (f"/api/images/{image_id}", f"/api/batches/{batch_id}")
        waits = [asyncio.create_task(client.get(path, params={"wait": 120})) for path in paths]
        await until_waiting(gateway, 2)
    answers = await asyncio.gather(*waits)

    assert (early.status_code, early.json()["data"]["status"]) == (200, "pending")
    assert [answer.json()["data"]["status"] for answer in answers] == ["completed"] * 2
    assert [answer.headers["Preference-Applied"] for answer in answers] == ["wait=120"] * 2


async def test_unfinished_work_tells_when_to_look_again(stack: Stack, client: httpx2.AsyncClient) -> None:
    with pause_worker(stack):
        accepted = await client.post("/api/images/upscale", files=IMAGE)
        batch = await client.post("/api/batches", files=BATCH)
        image_id, batch_id = (answer.json()["data"]["id"] for answer in (accepted, batch))
        pending = [await client.get(f"/api/images/{image_id}"), await client.get(f"/api/batches/{batch_id}")]
    ended = [
        await client.get(f"/api/images/{image_id}", params={"wait": 120}),
        await client.get(f"/api/batches/{batch_id}", params={"wait": 120}),
    ]

    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in (accepted, batch, *pending))
    estimate = accepted.json()["data"]["estimated_seconds"]
    assert int(accepted.headers["Retry-After"]) == (min(estimate, 60) if estimate else 2)
    assert not [answer for answer in ended if "Retry-After" in answer.headers]


async def test_what_has_ended_is_answered_at_once(client: httpx2.AsyncClient) -> None:
    image_id = await upload_image(client, SMALL)
    await wait_for_status(client, image_id, "completed")

    answer = await client.get(f"/api/images/{image_id}", params={"wait": 120})

    assert answer.json()["data"]["status"] == "completed"


@pytest.mark.parametrize("value", ["0", "121", "x", "-1", "1.5", "1e1", "", "9" * 30, "٣"])
async def test_an_impossible_wait_is_refused_by_name(client: httpx2.AsyncClient, value: str) -> None:
    used = await count_used_images(client)
    prefer = [(b"Prefer", f"wait={value}".encode())]

    uploads = [
        await client.post("/api/images/upscale", files=IMAGE, headers=prefer),
        await client.post("/api/batches", files=BATCH, headers=prefer),
    ]
    statuses = [
        await client.get(path, params={"wait": value})
        for path in ("/api/images/999999999", "/api/batches/999999999")
    ]

    assert [list(invalid_fields(answer)) for answer in uploads] == [["Prefer"]] * 2
    if value:  # an empty parameter counts as not sent, as everywhere
        assert [list(invalid_fields(answer)) for answer in statuses] == [["wait"]] * 2
    assert not [answer for answer in uploads + statuses if "Preference-Applied" in answer.headers]
    assert await count_used_images(client) == used


@pytest.mark.parametrize(
    "lines", [["wait=5", "wait=6"], ["respond-async", "wait=5"], ["wait=5, wait=6"], ["wait"]]
)
async def test_more_than_one_wait_or_header_is_refused(client: httpx2.AsyncClient, lines: list[str]) -> None:
    headers = [("Prefer", line) for line in lines]

    answer = await client.post("/api/images/upscale", files=IMAGE, headers=headers)

    assert list(invalid_fields(answer)) == ["Prefer"]


@pytest.mark.parametrize(
    ("line", "applied"),
    [
        ("respond-async", None),
        ('return=minimal; foo="a"', None),
        ("respond-async, wait=100", "wait=100"),
        ('WAIT = "100"; foo', "wait=100"),
    ],
)
async def test_other_preferences_are_ignored(
    client: httpx2.AsyncClient, line: str, applied: str | None
) -> None:
    answer = await client.post("/api/images/upscale", files=IMAGE, headers={"Prefer": line})

    assert answer.status_code == (200 if applied else 202)
    assert answer.headers.get("Preference-Applied") == applied


async def test_a_refused_upload_does_not_wait(gateway: Harness, client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/images/upscale", files={"image": ("a.txt", b"text")}, headers=LONG)
    missing = await client.get("/api/images/999999999", params={"wait": 120})

    assert list(invalid_fields(answer)) == ["image"]
    assert refusal(missing)[:2] == (404, "image_not_found")
    assert "Preference-Applied" not in answer.headers
    assert not gateway.backend.hub._waits_of_user


async def test_a_user_has_at_most_fifty_waits(
    stack: Stack, gateway: Harness, client: httpx2.AsyncClient, people: People
) -> None:
    other = await people.new("enterprise")
    with pause_worker(stack):
        path = f"/api/images/{await upload_image(client, SMALL)}"
        waits = [asyncio.create_task(client.get(path, params={"wait": 120})) for _ in range(50)]
        await until_waiting(gateway, 50)
        used = await count_used_images(client)
        refused = [
            await client.get(path, params={"wait": 1}),
            await client.post("/api/images/upscale", files=IMAGE, headers=LONG),
        ]
        plain = await client.get(path)
        used_after = await count_used_images(client)
        async with gateway.client(other.token) as others_client:
            others = await others_client.post(
                "/api/images/upscale", files=IMAGE, headers={"Prefer": "wait=1"}
            )
    answers = await asyncio.gather(*waits)

    assert [refusal(answer)[:2] for answer in refused] == [(429, "too_many_waits")] * 2
    assert all(int(answer.headers["Retry-After"]) for answer in refused)
    assert (plain.status_code, others.status_code, used_after) == (200, 202, used)
    assert {answer.json()["data"]["status"] for answer in answers} == {"completed"}


async def test_a_client_that_hangs_up_gives_back_its_place(
    stack: Stack, gateway: Harness, client: httpx2.AsyncClient
) -> None:
    with pause_worker(stack):
        path = f"/api/images/{await upload_image(client, SMALL)}"
        waiting = asyncio.create_task(client.get(path, params={"wait": 120}))
        uploading = asyncio.create_task(client.post("/api/images/upscale", files=IMAGE, headers=LONG))
        await until_waiting(gateway, 2)

        waiting.cancel()
        uploading.cancel()

        await until_waiting(gateway, 0)
        async with asyncio.timeout(20):
            while gateway.backend.hub._waits_of_user:
                await asyncio.sleep(0.02)


async def test_who_waits_reads_in_turn_also_before_the_wait(
    gateway: Harness, client: httpx2.AsyncClient
) -> None:
    ended = (await client.post("/api/images/upscale", files=IMAGE, headers=LONG)).json()["data"]["id"]
    reads = gateway.backend.hub.reads
    async with contextlib.AsyncExitStack() as held:
        for _ in range(MOST_READS):
            await held.enter_async_context(reads)
        waiting = asyncio.create_task(client.get(f"/api/images/{ended}?wait=120"))
        await until(lambda: reads._waiters)
        was_answered = waiting.done()

    answer = await waiting
    assert not was_answered
    assert answer.json()["data"]["status"] == "completed"


async def test_what_is_deleted_ends_the_wait(
    stack: Stack, gateway: Harness, client: httpx2.AsyncClient
) -> None:
    with pause_worker(stack):
        uploading = asyncio.create_task(client.post("/api/images/upscale", files=IMAGE, headers=LONG))
        await until_waiting(gateway, 1)
        [(_, image_id)] = gateway.backend.hub._waiting
        reading = asyncio.create_task(client.get(f"/api/images/{image_id}", params={"wait": 120}))
        await until_waiting(gateway, 2)
        await client.delete(f"/api/images/{image_id}")
        uploaded, read = await uploading, await reading

    assert uploaded.status_code == 202
    assert refusal(read)[:2] == (404, "image_not_found")


async def test_a_draining_gateway_answers_those_who_wait(stack: Stack, person: Person) -> None:
    with pause_worker(stack):
        async with gateway_on(settings_of(stack)) as gateway, gateway.client(person.token) as client:
            image_id = await upload_image(client, SMALL)
            waits = [
                asyncio.create_task(client.get(f"/api/images/{image_id}", params={"wait": 120})),
                asyncio.create_task(client.post("/api/images/upscale", files=IMAGE, headers=LONG)),
            ]
            await until_waiting(gateway, 2)
            gateway.server.should_exit = True
            answers = await asyncio.gather(*waits)

    assert [answer.status_code for answer in answers] == [200, 202]


async def test_a_token_that_is_revoked_meanwhile_reads_nothing_more(
    stack: Stack, gateway: Harness, people: People
) -> None:
    someone = await people.new("enterprise")
    async with gateway.client(someone.token) as owner, contextlib.AsyncExitStack() as exits:
        created = (await owner.post("/api/user/tokens", json={"name": "Second"})).json()["data"]
        client = await exits.enter_async_context(gateway.client(created["plain_text"]))
        with pause_worker(stack):
            uploading = asyncio.create_task(client.post("/api/images/upscale", files=IMAGE, headers=LONG))
            await until_waiting(gateway, 1)
            [(_, image_id)] = gateway.backend.hub._waiting
            reading = asyncio.create_task(client.get(f"/api/images/{image_id}", params={"wait": 120}))
            await until_waiting(gateway, 2)
            await owner.delete(f"/api/user/tokens/{created['token']['id']}")
        uploaded, read = await uploading, await reading

    assert uploaded.status_code == 202
    assert refusal(read)[:2] == (401, "unauthenticated")
