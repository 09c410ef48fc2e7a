"""`Idempotency-Key`: an upload that is sent again takes effect once, and gets the first answer."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, count_used_images, pause_worker, wait_for_status, wait_until_used
from tests.contract import shapes
from tests.contract.api_client import MULTIPART, SMALL, data_of, refusal
from tests.gateway.harness import People, Person, gateway_on, settings_of
from tests.gateway.raw_http import connect

UPSCALE, BATCHES = "/api/images/upscale", "/api/batches"
ROUTES = [UPSCALE, BATCHES]
IMAGE = [("image", ("photo.jpg", SMALL))]
BATCH = [("images[]", ("photo.jpg", SMALL)), ("images[]", ("other.jpg", SMALL))]
FILES = {UPSCALE: IMAGE, BATCHES: BATCH}
OLDER = "UPDATE idempotency_key SET expires_at = expires_at - %s::interval WHERE user_id = %s"


def new_key() -> str:
    return secrets.token_hex(16)


@pytest.fixture
async def person(people: People) -> Person:
    return await people.new("enterprise")


@pytest.fixture
async def client(stack: Stack, person: Person) -> AsyncGenerator[httpx2.AsyncClient]:
    async with client_of(stack, person.token) as client:
        yield client


async def post(
    client: httpx2.AsyncClient,
    path: str,
    key: str | bytes,
    files: Sequence[tuple[str, Any]] | None = None,
    *,
    prefer: str = "",
    **fields: str,
) -> httpx2.Response:
    headers = {b"Idempotency-Key": key if isinstance(key, bytes) else key.encode()}
    headers |= {b"Prefer": prefer.encode()} if prefer else {}
    return await client.post(path, files=files or FILES[path], data=fields, headers=headers)


def is_replay(answer: httpx2.Response) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


async def count_images(client: httpx2.AsyncClient) -> int:
    return (await client.get("/api/images")).json()["meta"]["total"]


@pytest.mark.parametrize("key", ["a", "~" * 255, "!", '"8e03978e-40d5-43e8-bc93-6894a57f9324"'])
async def test_a_key_may_have_1_to_255_visible_characters(client: httpx2.AsyncClient, key: str) -> None:
    first, again = await post(client, UPSCALE, key), await post(client, UPSCALE, key)

    assert (first.status_code, again.status_code) == (202, 202)
    assert (is_replay(first), is_replay(again)) == (False, True)


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("key", ["", "a" * 256, "a b", "ä".encode(), b"\xff", b"a\tb"])
async def test_any_other_key_is_400(client: httpx2.AsyncClient, path: str, key: str | bytes) -> None:
    answer = await post(client, path, key)

    status, code, message = refusal(answer)
    assert (status, code) == (400, "idempotency_key_invalid")
    assert "1 to 255 visible ASCII characters" in message
    assert await count_images(client) == 0


async def test_two_keys_are_400(client: httpx2.AsyncClient) -> None:
    keys = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]

    answer = await client.post(UPSCALE, files=IMAGE, headers=keys)

    assert refusal(answer)[:2] == (400, "idempotency_key_invalid")


@pytest.mark.parametrize(("token_is_valid", "status"), [(True, 400), (False, 401)])
async def test_an_invalid_key_is_refused_after_the_token_and_before_the_body(
    stack: Stack, person: Person, *, token_is_valid: bool, status: int
) -> None:
    async with connect(stack.api) as connection:
        await connection.send(head_of(person.token if token_is_valid else "1|nonsense", "a b", 1000))
        answer = await connection.answer()

    assert answer.status == status


def head_of(token: str, key: str, length: int) -> bytes:
    lines = [f"POST {UPSCALE} HTTP/1.1", "Host: localhost", f"Content-Length: {length}"]
    lines += [f"Authorization: Bearer {token}", f"Idempotency-Key: {key}"]
    lines += [f"{name}: {value}" for name, value in MULTIPART.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize("path", ROUTES)
async def test_the_same_body_gets_the_stored_status_body_and_id_again(
    client: httpx2.AsyncClient, path: str
) -> None:
    key = new_key()

    first = await post(client, path, key, scale_factor="2")
    again = await post(client, path, key, scale_factor="2")

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert await count_images(client) == len(FILES[path])


async def test_a_repeat_counts_as_a_request_and_not_as_an_image(client: httpx2.AsyncClient) -> None:
    key = new_key()

    first, again = await post(client, UPSCALE, key), await post(client, UPSCALE, key)

    requests = [int(one.headers["RateLimit"].partition("r=")[2].partition(";")[0]) for one in (first, again)]
    images = [one.headers["X-RateLimit-Remaining"] for one in (first, again)]
    assert requests[1] == requests[0] - 1
    assert images[1] == images[0]
    await wait_for_status(client, first.json()["data"]["id"], "completed")
    await wait_until_used(client, 1)


async def test_keys_belong_to_a_user_and_a_route(
    stack: Stack, people: People, client: httpx2.AsyncClient
) -> None:
    key, other = new_key(), await people.new("enterprise")

    answers = [await post(client, UPSCALE, key), await post(client, BATCHES, key)]
    async with client_of(stack, other.token) as others_client:
        answers.append(await post(others_client, UPSCALE, key))

    assert [(one.status_code, is_replay(one)) for one in answers] == [(202, False)] * 3


@pytest.mark.parametrize(("age", "is_kept"), [("23 hours", True), ("25 hours", False)])
async def test_an_answer_is_kept_for_24_hours(
    people: People, person: Person, client: httpx2.AsyncClient, age: str, *, is_kept: bool
) -> None:
    key = new_key()
    first = await post(client, UPSCALE, key)
    await people.execute_sql("images", OLDER, age, person.id)

    later = await post(client, UPSCALE, key)

    assert is_replay(later) == is_kept
    assert (later.json()["data"]["id"] == first.json()["data"]["id"]) == is_kept


@pytest.mark.parametrize("path", ROUTES)
async def test_a_refusal_is_not_kept_so_a_corrected_request_with_the_same_key_runs(
    client: httpx2.AsyncClient, path: str
) -> None:
    key = new_key()

    refused = await post(client, path, key, scale_factor="5")
    corrected = await post(client, path, key, scale_factor="3")

    assert (refused.status_code, corrected.status_code) == (422, 202)
    assert not is_replay(corrected)
    assert corrected.json()["data"]["scale_factor"] == 3


@pytest.mark.parametrize(
    ("files", "fields"),
    [
        (IMAGE, {"scale_factor": "3"}),
        ([("image", ("other.jpg", SMALL))], {}),
        ([("image", ("photo.jpg", SMALL + b"x"))], {}),
    ],
    ids=["option", "file name", "file"],
)
async def test_another_body_is_422_on_the_key(
    client: httpx2.AsyncClient, files: Any, fields: dict[str, str]
) -> None:
    key = new_key()
    await post(client, UPSCALE, key)

    answer = await post(client, UPSCALE, key, files, **fields)

    assert refusal(answer) == (422, "idempotency_key_reused", "Validation failed")
    assert list(answer.json()["errors"]) == ["Idempotency-Key"]
    assert await count_images(client) == 1


async def test_the_files_of_a_batch_have_an_order(client: httpx2.AsyncClient) -> None:
    key = new_key()
    await post(client, BATCHES, key)

    answer = await post(client, BATCHES, key, BATCH[::-1])

    assert refusal(answer)[1] == "idempotency_key_reused"


async def test_prefer_boundaries_and_unknown_fields_are_no_part_of_the_body(
    client: httpx2.AsyncClient,
) -> None:
    key = new_key()

    answers = [
        await post(client, UPSCALE, key),
        await post(client, UPSCALE, key, prefer="wait=1"),
        await post(client, UPSCALE, key, colour="red"),
    ]

    boundaries = [one.request.headers["Content-Type"] for one in answers]
    assert len({*boundaries}) == 3
    assert len({one.json()["data"]["id"] for one in answers}) == 1
    assert [warning["field"] for warning in answers[2].json()["warnings"]] == ["colour"]


async def test_a_repeat_that_waits_waits_for_the_same_image_and_gets_a_new_link(
    stack: Stack, client: httpx2.AsyncClient
) -> None:
    key = new_key()
    with pause_worker(stack):
        first = await post(client, UPSCALE, key, prefer="wait=1")
    again = await post(client, UPSCALE, key, prefer="wait=60")
    plain = await post(client, UPSCALE, key)

    assert first.status_code == 202
    image = data_of(again, "Image retrieved successfully", shapes.IMAGE)
    assert (image["id"], image["status"]) == (first.json()["data"]["id"], "completed")
    assert is_replay(again)
    assert again.headers["Preference-Applied"] == "wait=60"
    async with httpx2.AsyncClient() as without_token:
        assert (await without_token.get(image["download_url"])).status_code == 200
    assert (plain.status_code, plain.json()) == (202, first.json())


async def test_a_repeated_batch_waits_for_the_same_batch(client: httpx2.AsyncClient) -> None:
    key = new_key()

    first = await post(client, BATCHES, key)
    again = await post(client, BATCHES, key, prefer="wait=60")

    batch = data_of(again, "Batch retrieved successfully", shapes.BATCH)
    assert (batch["id"], batch["status"]) == (first.json()["data"]["id"], "completed")
    assert await count_images(client) == 2


@pytest.mark.parametrize("prefer", ["", "wait=60"])
async def test_a_repeat_gets_the_answer_also_where_the_image_was_deleted(
    client: httpx2.AsyncClient, prefer: str
) -> None:
    key = new_key()
    first = await post(client, UPSCALE, key)
    path = f"/api/images/{first.json()['data']['id']}"
    await client.delete(path)

    again = await post(client, UPSCALE, key, prefer=prefer)

    assert (again.status_code, again.json(), is_replay(again)) == (202, first.json(), True)
    assert (await client.get(path)).status_code == 404


async def test_while_the_first_is_running_it_is_409_and_a_cut_off_body_frees_the_key(
    stack: Stack, people: People, person: Person, client: httpx2.AsyncClient
) -> None:
    key = new_key()
    taken = "SELECT FROM idempotency_key WHERE user_id = %s"
    async with connect(stack.api) as connection:
        part = b'--here\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        await connection.send(head_of(person.token, key, 10_000) + part)
        await until_there(people, taken, person, is_there=True)
        running = await post(client, UPSCALE, key)
    await until_there(people, taken, person, is_there=False)
    later = await post(client, UPSCALE, key)

    assert refusal(running)[:2] == (409, "idempotency_key_in_use")
    assert running.headers["Retry-After"] == "1"
    assert (later.status_code, is_replay(later)) == (202, False)


async def until_there(people: People, query: str, person: Person, *, is_there: bool) -> None:
    async with asyncio.timeout(20):
        while bool(await people.read_sql("images", query, person.id)) != is_there:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("path", ROUTES)
async def test_a_used_up_quota_refuses_new_uploads_and_no_repeat(
    people: People, person: Person, client: httpx2.AsyncClient, path: str
) -> None:
    key, count = new_key(), len(FILES[path])
    await people.operator.set_quota(person.email, count)

    first = await post(client, path, key)
    again = await post(client, path, key)
    new = await post(client, path, new_key())

    assert (first.status_code, again.status_code, is_replay(again)) == (202, 202, True)
    assert again.headers["X-RateLimit-Remaining"] == "0"
    assert refusal(new)[:2] == (403, "quota_exceeded")
    assert await count_images(client) == count


async def test_fifty_at_once_over_two_gateways_make_one_image_and_take_one_place(
    stack: Stack, person: Person, client: httpx2.AsyncClient
) -> None:
    key, settings = new_key(), settings_of(stack, uploads_per_user=50)
    async with AsyncExitStack() as exits:
        gateways = [await exits.enter_async_context(gateway_on(settings)) for _ in range(2)]
        clients = [await exits.enter_async_context(one.client(person.token)) for one in gateways]
        answers = await asyncio.gather(*(post(clients[turn % 2], UPSCALE, key) for turn in range(50)))

    accepted = [one for one in answers if one.status_code == 202]
    refused = [one for one in answers if one.status_code != 202]
    assert [is_replay(one) for one in accepted].count(False) == 1
    assert len({one.json()["data"]["id"] for one in accepted}) == 1
    assert {refusal(one)[:2] for one in refused} <= {(409, "idempotency_key_in_use")}
    assert len(answers) == 50
    assert await count_images(client) == 1
    await wait_for_status(client, accepted[0].json()["data"]["id"], "completed")
    assert await count_used_images(client) == 1


async def test_browsers_may_read_what_the_headers_say_of_repeats_waits_and_names_of_files(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.get("/api/images", headers={"Origin": "https://shop.example"})

    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Idempotency-Replayed", "Preference-Applied", "Content-Disposition"} <= {*exposed}
