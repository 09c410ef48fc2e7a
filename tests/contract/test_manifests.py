"""Manifests: batches as JSON, whose files Loupe fetches from links and direct uploads."""

import asyncio
import csv
import io
import os
import re
import secrets
import zipfile
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import httpx2

from loupe_local.stack import Stack
from loupe_local.state import REPOSITORY
from tests.client import client_of, count_used_images, pause_worker, wait_until_used
from tests.contract.api_client import SMALL, data_of, invalid_fields, refusal, until_deleted
from tests.contract.shapes import ACCEPTED_MANIFEST, MANIFEST
from tests.contract.test_batches import QUEUED, UNFINISHED
from tests.contract.test_direct_uploads import prepare, store
from tests.gateway.harness import People
from tests.outbound.servers import Host, answer, host

Json = dict[str, Any]
PATH = "/api/batches"
JPEG = answer(SMALL, Content_Type="image/jpeg")
LINK = "http://127.0.0.1:9/photo.jpg"
SPELLING = "The image url must be a URL such as https://example.com/"
INNER = "https://10.0.0.1/photo.jpg"
NOT_FOUND = "The image url leads to no file: its host answered 404."


async def send(client: httpx2.AsyncClient, *items: object, **values: Any) -> httpx2.Response:
    return await client.post(PATH, json={"items": items, **values})


async def accept(client: httpx2.AsyncClient, *items: Json, **values: Any) -> Json:
    return data_of(await send(client, *items, **values), QUEUED, ACCEPTED_MANIFEST, 202)


async def batch_of(client: httpx2.AsyncClient, batch_id: int) -> Json:
    return data_of(await client.get(f"{PATH}/{batch_id}"), "Batch retrieved successfully", MANIFEST)


async def until_ended(client: httpx2.AsyncClient, batch_id: int) -> list[Json]:
    """Poll until the batch has ended. Return all answers."""
    answers = [await batch_of(client, batch_id)]
    async with asyncio.timeout(90):
        while answers[-1]["status"] in UNFINISHED:
            await asyncio.sleep(0.03)
            answers.append(await batch_of(client, batch_id))
    return answers


def hosting(server_of: list[Host]) -> Any:
    """Return a handler that answers 404 on paths that begin with /gone, and else with a photo."""

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = server_of[0].heads[-1].split()[1]
        writer.write(answer(status="404 Not Found") if path.startswith("/gone") else JPEG)

    return reply


async def test_skipped_items_become_failed_images_without_a_place(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client, host(JPEG) as server:
        items = [{"image_url": INNER, "reference": "bad"}, {"image_url": server.url, "reference": "good"}]
        accepted = await accept(client, *items, on_error="skip")
        used = await count_used_images(client)
        *_, ended = await until_ended(client, accepted["id"])
        retried = await client.post(f"/api/images/{accepted['images'][0]['id']}/retry")

    bad, good = ended["images"]
    assert [image["status"] for image in accepted["images"]] == ["failed", "pending"]
    assert (accepted["status"], accepted["failed_images"], accepted["progress"], used) == (
        "pending",
        1,
        50,
        1,
    )
    assert bad["error"] == {
        "code": "item_refused",
        "message": "The image url leads to an address that is not on the public internet.",
        "retryable": False,
    }
    assert (ended["status"], good["status"], bad["reference"]) == ("partially_failed", "completed", "bad")
    assert refusal(retried)[:2] == (409, "not_retryable")


async def test_a_batch_of_skipped_items_alone_has_failed_at_once(jane: httpx2.AsyncClient) -> None:
    accepted = await accept(jane, {"image_url": INNER}, on_error="skip")

    assert (accepted["status"], accepted["stage"]) == ("failed", "done")
    assert accepted["completed_at"] is not None


async def test_a_quota_that_is_too_small_refuses_all_or_skips_the_rest(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client, host(JPEG) as server:
        await people.operator.set_quota(person.email, 2)
        items = [{"image_url": server.url}] * 3
        refused = await send(client, *items)
        accepted = await accept(client, *items, on_error="skip")
        *_, ended = await until_ended(client, accepted["id"])
        used = await count_used_images(client)

    assert refusal(refused)[:2] == (403, "quota_exceeded")
    assert [image["status"] for image in ended["images"]] == ["completed", "completed", "failed"]
    assert (ended["images"][2]["error"]["code"], ended["images"][2]["error"]["retryable"]) == (
        "quota_exceeded",
        True,
    )
    assert used == 2


async def test_a_fetch_that_fails_later_fails_its_image_and_a_retry_fetches_again(
    stack: Stack, people: People
) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        async with host(answer(status="404 Not Found")) as server:
            port = server.port
            accepted = await accept(client, {"image_url": server.url, "reference": "later"})
            *_, failed = await until_ended(client, accepted["id"])
        await wait_until_used(client, 0)
        async with host(JPEG, port=port):
            retried = await client.post(f"{PATH}/{accepted['id']}/retry")
            *_, ended = await until_ended(client, accepted["id"])
        used = await count_used_images(client)

    [image] = failed["images"]
    assert image["error"] == {"code": "fetch_failed", "message": NOT_FOUND, "retryable": True}
    assert (failed["status"], image["reference"]) == ("failed", "later")
    assert (retried.status_code, retried.json()["data"]["stage"]) == (202, "fetching")
    assert (ended["status"], used) == ("completed", 1)
    assert ended["images"][0]["earlier_errors"][0]["code"] == "fetch_failed"


async def test_a_file_that_is_no_image_or_does_not_suit_the_options_fails_its_image(
    jane: httpx2.AsyncClient,
) -> None:
    async with host(answer(b"<html>")) as page, host(JPEG) as server:
        small = {"image_url": server.url, "target_width": 10}
        accepted = await accept(jane, {"image_url": page.url}, small)
        *_, ended = await until_ended(jane, accepted["id"])

    errors = [image["error"] for image in ended["images"]]
    assert [error["code"] for error in errors] == ["fetch_failed", "fetch_failed"]
    assert [error["retryable"] for error in errors] == [True, False]
    assert errors[1]["message"] == "The target width must not be smaller than the original."


async def test_all_places_are_reserved_at_acceptance_and_nothing_is_held_after_the_end(
    stack: Stack, people: People
) -> None:
    person = await people.new("professional")

    async def slow(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with client_of(stack, person.token) as client, host(slow) as server:
        accepted = await accept(client, *[{"image_url": server.url}] * 30)
        used = await count_used_images(client)
        cancelled = await client.delete(f"{PATH}/{accepted['id']}")
        await wait_until_used(client, 0)
        batch = await batch_of(client, accepted["id"])
        deleted = await client.delete(f"{PATH}/{accepted['id']}")

    assert (used, cancelled.status_code, deleted.status_code) == (30, 200, 200)
    assert (batch["status"], batch["stage"], batch["failed_images"]) == ("cancelled", "done", 30)
    assert {image["error"]["code"] for image in batch["images"]} == {"cancelled"}
    left = await people.read_sql("images", "SELECT count(*) FROM image_source WHERE user_id = %s", person.id)
    assert left == [(0,)]


async def test_a_deleted_batch_leaves_no_direct_upload(stack: Stack, people: People) -> None:
    person = await people.new("professional")

    async def slow(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with client_of(stack, person.token) as client, host(slow) as server:
        upload = await prepare(client)
        accepted = await accept(client, {"image_url": server.url}, {"upload_id": upload["id"]})
        await store(upload)
        [(key,)] = await people.read_sql(
            "images", "SELECT object_key FROM direct_upload WHERE user_id = %s", person.id
        )
        for _ in range(2):
            await client.delete(f"{PATH}/{accepted['id']}")
        await until_deleted(stack, key)


async def test_an_upload_serves_one_item_alone(jane: httpx2.AsyncClient, omar: httpx2.AsyncClient) -> None:
    upload = await prepare(jane)
    await store(upload)
    item = {"upload_id": upload["id"]}
    foreign, twice = await send(omar, item), await send(jane, item, item)
    accepted = await accept(jane, item)
    again = await send(jane, item)
    alone = await jane.post("/api/images/upscale", json=item)
    *_, ended = await until_ended(jane, accepted["id"])

    unknown = "There is no upload with this id. It may have expired, or be used already."
    assert invalid_fields(foreign) == {"items.0.upload_id": [unknown]}
    assert invalid_fields(twice) == {"items.1.upload_id": ["Another item has the same upload id."]}
    assert invalid_fields(again) == {"items.0.upload_id": [unknown]}
    assert invalid_fields(alone) == {"upload_id": ["The upload was already used."]}
    assert ended["status"] == "completed"


async def test_the_reference_is_told_back_everywhere(jane: httpx2.AsyncClient) -> None:
    async with host(JPEG) as server:
        items = [{"image_url": server.url, "reference": name} for name in ("cats/tom.png", "cats/Tom", "x")]
        accepted = await accept(jane, *items, {"image_url": server.url})
        *_, ended = await until_ended(jane, accepted["id"])
    first = ended["images"][0]["id"]
    single = (await jane.get(f"/api/images/{first}")).json()["data"]
    listed = (await jane.get(PATH)).json()["data"][0]["images"]
    paged = (await jane.get(f"{PATH}/{accepted['id']}/images")).json()["data"]
    table = list(csv.DictReader(io.StringIO((await jane.get(f"{PATH}/{accepted['id']}/report")).text)))
    archive = zipfile.ZipFile(io.BytesIO((await jane.get(f"{PATH}/{accepted['id']}/archive")).content))

    references = ["cats/tom.png", "cats/Tom", "x", None]
    for images in (accepted["images"], listed, paged):
        assert [image["reference"] for image in images] == references
    assert single["reference"] == "cats/tom.png"
    assert [row["reference"] for row in table] == ["cats/tom.png", "cats/Tom", "x", ""]
    names = ["cats/tom.jpg", "cats/Tom (2).jpg", "x.jpg", "photo.jpg"]
    assert [row["file"] for row in table] == names
    assert archive.namelist() == ["report.csv", *names]


async def test_progress_never_goes_back(jane: httpx2.AsyncClient) -> None:
    found = list[Host]()
    async with host(hosting(found)) as server:
        found.append(server)
        url = f"http://127.0.0.1:{server.port}"
        items = [{"image_url": f"{url}/{'gone' if number % 5 == 0 else 'photo'}"} for number in range(15)]
        accepted = await accept(jane, *items)
        answers = await until_ended(jane, accepted["id"])

    progress = [each["progress"] for each in answers]
    stages = [["fetching", "queued", "working", "done"].index(each["stage"]) for each in answers]
    assert progress == sorted(progress)
    assert stages == sorted(stages)
    assert (answers[-1]["completed_images"], answers[-1]["failed_images"]) == (12, 3)
    for each in answers:
        assert each["progress"] == 100 * (each["completed_images"] + each["failed_images"]) // 15


async def test_a_large_batch_shows_its_first_hundred_images_and_pages_the_rest(
    stack: Stack, people: People
) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        items = [{"image_url": INNER, "reference": str(number)} for number in range(120)]
        accepted = await accept(client, *items, on_error="skip")
        whole = await batch_of(client, accepted["id"])
        listed = (await client.get(PATH)).json()["data"][0]
        second = (await client.get(f"{PATH}/{accepted['id']}/images?per_page=100&page=2")).json()

    for batch, shown in ((accepted, 100), (whole, 100), (listed, 20)):
        assert batch["total_images"] == 120
        assert [image["reference"] for image in batch["images"]] == [str(number) for number in range(shown)]
    assert [image["reference"] for image in second["data"]] == [str(number) for number in range(100, 120)]


async def test_a_repeat_with_the_same_key_gets_the_same_batch(jane: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": secrets.token_hex(16)}
    async with host(JPEG) as server:
        body = {"items": [{"image_url": server.url}]}
        first = await jane.post(PATH, json=body, headers=key)
        again = await jane.post(PATH, json=body, headers=key)
        other = await jane.post(PATH, json=body | {"scale_factor": 4}, headers=key)
        form = await jane.post(PATH, files=[("images[]", ("photo.jpg", SMALL))], headers=key)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert refusal(other)[:2] == (422, "idempotency_key_reused")
    assert refusal(form)[:2] == (422, "idempotency_key_reused")


async def test_a_client_may_wait_for_the_end_and_name_an_address_for_it(jane: httpx2.AsyncClient) -> None:
    async with host(JPEG) as server, host(answer()) as receiver:
        body = {"items": [{"image_url": server.url, "reference": "told"}], "webhook_url": receiver.url}
        answered = await jane.post(PATH, json=body, headers={"Prefer": "wait=60"})
        async with asyncio.timeout(30):
            while not receiver.bodies:
                await asyncio.sleep(0.02)

    ended = data_of(answered, "Batch retrieved successfully", MANIFEST)
    assert ended["status"] == "completed"
    assert re.search(rb'"type":\s*"batch.completed"', receiver.bodies[0])


async def test_events_tell_the_reference(jane: httpx2.AsyncClient) -> None:
    async with host(answer()) as receiver:
        created = await jane.post("/api/webhooks", json={"url": receiver.url, "types": ["image.failed"]})
        webhook = created.json()["data"]["webhook"]
        await accept(jane, {"image_url": INNER, "reference": "by webhook"}, on_error="skip")
        async with asyncio.timeout(30):
            while not any(b"by webhook" in body for body in receiver.bodies):
                await asyncio.sleep(0.02)
        await jane.delete(f"/api/webhooks/{webhook['id']}")


async def test_the_program_of_the_page_upscales_a_folder_of_links(stack: Stack, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "api.md").read_text()
    [program] = re.findall(r"upscale-links.sh links results.zip`.*?```sh\n(.*?)```", page, re.DOTALL)
    (tmp_path / "links" / "cats").mkdir(parents=True)
    async with host(JPEG) as server:
        (tmp_path / "links" / "cats" / 'a "tom".txt').write_text(f"{server.url}\r\n")
        (tmp_path / "links" / "bad.txt").write_text(INNER)
        running = await asyncio.create_subprocess_exec(
            "sh", "-c", program, "sh", "links", "results.zip",
            env=os.environ | {"API": stack.api, "TOKEN": stack.token}, cwd=tmp_path, stdout=PIPE,
        )  # fmt: skip
        printed, _ = await running.communicate()

    assert running.returncode == 0
    assert b"1 upscaled, 1 failed" in printed
    assert zipfile.ZipFile(tmp_path / "results.zip").namelist() == ["report.csv", "cats/a _tom_.jpg"]


async def test_a_fetched_image_waits_for_its_turn_like_others(stack: Stack, jane: httpx2.AsyncClient) -> None:
    with pause_worker(stack):
        async with host(JPEG) as server:
            accepted = await accept(jane, {"image_url": server.url})
            async with asyncio.timeout(30):
                while (batch := await batch_of(jane, accepted["id"]))["stage"] == "fetching":
                    await asyncio.sleep(0.02)
    await until_ended(jane, accepted["id"])

    assert batch["stage"] == "queued"
    assert batch["images"][0]["queue_position"] >= 1
