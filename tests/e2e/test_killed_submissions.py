"""images is killed in the middle of an upload with an idempotency key, and the client repeats it.

There is then one image, one place in the quota is taken, and nothing else is left.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of
from tests.contract.api_client import SMALL
from tests.e2e.killed_images import Killed, replica_of_images
from tests.e2e.steps_of_uploads import AFTER, BEFORE, Step, after_the_reservation
from tests.gateway.harness import People, Person, gateway_on, settings_of

ONE = ("/api/images/upscale", [("image", ("photo.jpg", SMALL))])
TWENTY = ("/api/batches", [("images[]", (f"{number}.jpg", SMALL)) for number in range(20)])
Upload = tuple[str, list[tuple[str, Any]]]
UPLOADS = pytest.mark.parametrize("upload", [ONE, TWENTY], ids=["image", "batch"])
ORIGINALS = "SELECT original_path FROM image WHERE user_id = %s"
NOTES = "SELECT FROM upload_intent WHERE user_id = %s"
PLACES = "SELECT FROM reservation WHERE user_id = %s AND state IN ('reserved', 'captured')"
USED = "SELECT used FROM quota WHERE user_id = %s"
ITS_TIME_IS_UP = (
    "UPDATE upload_intent SET alive_until = now() - interval '1 s' WHERE user_id = %s",
    "UPDATE idempotency_key SET expires_at = now() - interval '1 s' WHERE user_id = %s AND response IS NULL",
)
"""The statements do at once what happens within 20 s if a process no longer renews its work under way."""


@pytest.fixture(scope="module")
async def running(stack: Stack) -> AsyncGenerator[Killed]:
    async with replica_of_images(stack, People(stack)) as running:
        yield running


@pytest.fixture
async def killed(running: Killed) -> AsyncGenerator[Killed]:
    yield running
    await running.restart()


@pytest.fixture
async def person(killed: Killed) -> Person:
    return await killed.people.new("enterprise")


async def post(client: httpx2.AsyncClient, upload: Upload, key: str) -> httpx2.Response:
    path, files = upload
    return await client.post(path, files=files, headers={"Idempotency-Key": key})


async def upload_and_kill(
    killed: Killed, person: Person, upload: Upload, key: str, step: Step
) -> tuple[int, set[str]]:
    """Upload, and kill images at the step. Return the status that the client got, and the originals before.

    An earlier upload lets images connect to billing and to the store.
    """
    settings, other = (
        settings_of(killed.stack, images_target=killed.target),
        await killed.people.new("starter"),
    )
    async with gateway_on(settings) as gateway, gateway.client(person.token) as client:
        async with gateway.client(other.token) as others_client:
            assert (await post(others_client, ONE, key)).status_code == 202
        before = await asyncio.to_thread(killed.list_originals)
        async with step(killed, person) as reached:
            posting = asyncio.create_task(post(client, upload, key))
            await reached()
            await killed.kill()
        return (await posting).status_code, before


async def repeat(killed: Killed, person: Person, upload: Upload, key: str) -> httpx2.Response:
    """Send the upload again, as long as its key is in use, and return the answer."""
    async with client_of(killed.stack, person.token) as client, asyncio.timeout(30):
        while (answer := await post(client, upload, key)).status_code == 409:
            await asyncio.sleep(0.1)
    return answer


def ids_in(answer: httpx2.Response) -> list[int]:
    data = answer.json()["data"]
    return [image["id"] for image in data.get("images", [data])]


async def check_traces(killed: Killed, person: Person, before: set[str], count: int) -> None:
    """Check that there are `count` images, each with one place and one original, and nothing else."""
    read = killed.people.read_sql
    async with asyncio.timeout(30):
        while await read("images", NOTES, person.id):
            await asyncio.sleep(0.05)
    originals = {str(key) for (key,) in await read("images", ORIGINALS, person.id)}
    assert len(originals) == count
    assert len(await read("billing", PLACES, person.id)) == count
    assert await read("billing", USED, person.id) == [(count,)]
    assert await asyncio.to_thread(killed.list_originals) - before == originals


@UPLOADS
@pytest.mark.parametrize("step", BEFORE, ids=lambda step: step.__name__)
async def test_what_was_killed_before_its_commit_leaves_nothing_and_the_repeat_runs(
    killed: Killed, person: Person, upload: Upload, step: Step
) -> None:
    key = secrets.token_hex(16)

    status, before = await upload_and_kill(killed, person, upload, key, step)
    for statement in ITS_TIME_IS_UP:
        await killed.people.execute_sql("images", statement, person.id)
    answer = await repeat(killed, person, upload, key)

    assert (status, answer.status_code) == (503, 202)
    assert "Idempotency-Replayed" not in answer.headers
    await check_traces(killed, person, before, len(upload[1]))


@UPLOADS
@pytest.mark.parametrize("step", AFTER, ids=lambda step: step.__name__)
async def test_what_was_killed_after_its_commit_is_found_by_the_repeat(
    killed: Killed, person: Person, upload: Upload, step: Step
) -> None:
    key = secrets.token_hex(16)

    status, before = await upload_and_kill(killed, person, upload, key, step)
    answer, again = [await repeat(killed, person, upload, key) for _ in range(2)]

    assert (status, answer.status_code) == (503, 202)
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert again.json() == answer.json()
    assert len(ids_in(answer)) == len(upload[1])
    await check_traces(killed, person, before, len(upload[1]))


async def test_a_process_that_died_frees_its_key_within_half_a_minute(killed: Killed, person: Person) -> None:
    key = secrets.token_hex(16)

    _, before = await upload_and_kill(killed, person, ONE, key, after_the_reservation)
    async with client_of(killed.stack, person.token) as client:
        at_once = await post(client, ONE, key)
    answer = await repeat(killed, person, ONE, key)

    assert (at_once.status_code, answer.status_code) == (409, 202)
    await check_traces(killed, person, before, 1)
