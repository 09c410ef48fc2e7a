"""`loupe-admin`, run as an operator runs it."""

import asyncio
import uuid
from datetime import timedelta

import httpx2
import psycopg
from PIL import Image

from common.db import now
from loupe_local.stack import Stack
from tests.client import client_of, count_used_images, get_image, upscale, wait_for_status
from tests.gateway.harness import PASSWORD, People
from tests.gateway.loupe_admin import result_lines, result_of, run
from tests.pixels import encoded

JANE = "jane@example.com"
PHOTO = encoded(Image.effect_noise((24, 16), 80).convert("RGB"))


async def test_set_plan_covers_trial_cancellation_and_missing_payment(stack: Stack, people: People) -> None:
    person = await people.new()
    later, earlier = (now() + timedelta(days=3)).isoformat(), (now() - timedelta(days=3)).isoformat()

    found: list[tuple[bool, bool, bool, bool]] = []
    for options in (["--trial-until", later], ["--until", later], ["--until", earlier], ["--past-due"], []):
        await result_of(stack, "plan", "set", person.email, "starter", *options)
        async with client_of(stack, person.token) as client:
            answer = await client.get("/api/subscription")
        ours = answer.json()["data"]["subscription"]
        found.append(
            (ours["is_active"], ours["is_on_trial"], ours["is_cancelled"], ours["is_on_grace_period"])
        )

    assert found == [
        (True, True, False, False),
        (True, False, True, True),
        (False, False, True, False),
        (False, False, False, False),
        (True, False, False, False),
    ]


async def test_a_quota_can_be_set_and_reset(stack: Stack, people: People) -> None:
    person = await people.new("starter")

    await result_of(stack, "quota", "set", person.email, "40")
    async with client_of(stack, person.token) as client:
        raised = (await client.get("/api/usage")).json()["data"]["image_uploads"]["limit"]
        await result_of(stack, "quota", "reset", person.email)
        reset = (await client.get("/api/usage")).json()["data"]["image_uploads"]["limit"]

    assert (raised, reset) == (40, 25)


async def test_show_quota_lists_the_entries_of_the_month(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        image_id = (await upscale(client, PHOTO)).json()["data"]["id"]
        await wait_for_status(client, image_id, "completed")

    month = await result_of(stack, "quota", "show", person.email)

    assert month["usage"]["used"] == 1
    assert month["entries"][0]["reason"] == "reserved"
    assert sum(entry["change"] for entry in month["entries"]) == 1


async def test_an_operator_can_verify_an_address_without_a_mail(stack: Stack, people: People) -> None:
    person = await people.new(verified=False)

    await result_of(stack, "user", "verify", person.email)

    async with httpx2.AsyncClient(base_url=stack.api, timeout=20) as client:
        login = {"email": person.email, "password": PASSWORD}
        assert (await client.post("/api/auth/login", json=login)).status_code == 200


async def test_tokens_stay_valid_after_a_key_rotation(stack: Stack, people: People) -> None:
    person = await people.new("starter")

    first = await result_of(stack, "keys", "rotate")
    second = await result_of(stack, "keys", "rotate")

    assert first["key_id"] != second["key_id"]
    async with client_of(stack, person.token) as client:
        assert (await client.get("/api/images")).status_code == 200
    assert (await result_of(stack, "user", "show", person.email))["user"]["email"] == person.email


async def test_a_failed_job_can_be_redriven(stack: Stack, people: People) -> None:
    """The attempts in the table are used up, as if three workers had died on the job."""
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        await stack.stores.supervisor.stop("inference")
        try:
            image_id = (await upscale(client, PHOTO)).json()["data"]["id"]
            await people.execute_sql("images", "UPDATE image SET attempt = 3 WHERE id = %s", image_id)
        finally:
            await stack.stores.supervisor.restart("inference")
        failed = await wait_for_status(client, image_id, "failed")
        dead = [
            one
            for one in (await result_of(stack, "dead", "list"))["messages"]
            if one.get("image_id") == image_id
        ]

        await result_of(stack, "dead", "redrive", str(dead[0]["sequence"]))

        await wait_for_status(client, image_id, "completed")
    status, output = await run(stack, "dead", "redrive", str(dead[0]["sequence"]))
    assert failed["error"]["code"] == "attempts_exhausted"
    assert len(dead) == 1
    assert status == 1
    assert "Dead message not found" in output


async def test_an_image_without_its_result_is_listed_and_fails_only_with_mark(
    stack: Stack, people: People
) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        image_id = (await upscale(client, PHOTO)).json()["data"]["id"]
        key = (await wait_for_status(client, image_id, "completed"))["upscaled_path"]
        store = stack.stores.s3
        await asyncio.to_thread(store.client("images").remove_object, store.bucket, key)

        listed = await result_lines(stack, "objects", "check")
        unmarked = await get_image(client, image_id)
        await result_lines(stack, "objects", "check", "--mark")
        marked = await get_image(client, image_id)
        again = await result_lines(stack, "objects", "check")

    [found] = [one for one in listed if one.get("image_id") == image_id]
    assert (found["status"], found["key"]) == ("completed", key)
    assert unmarked["status"] == "completed"
    assert (marked["status"], marked["error"]["code"]) == ("failed", "object_lost")
    assert image_id not in [one.get("image_id") for one in again]
    assert listed[-1]["checked"] == again[-1]["checked"] + len(listed) - 1


async def test_outcomes_that_billing_has_lost_are_sent_again(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        image_id = (await upscale(client, PHOTO)).json()["data"]["id"]
        await wait_for_status(client, image_id, "completed")
        await until_reservation(stack, person.id, "captured")
        forgotten = "UPDATE reservation SET state = 'reserved' WHERE user_id = %s"
        await people.execute_sql("billing", forgotten, person.id)

        none = await result_of(stack, "endings", "replay", "--since", "2999-01-01")
        some = await result_of(stack, "endings", "replay", "--since", "1h")
        await until_reservation(stack, person.id, "captured")

        assert await count_used_images(client) == 1
    assert none == {"replayed": 0}
    assert some["replayed"] >= 1


async def until_reservation(stack: Stack, user_id: int, state: str) -> None:
    """Wait until the user's only reservation has that state."""
    url = stack.stores.postgres.admin_url("billing")
    async with asyncio.timeout(20), await psycopg.AsyncConnection.connect(url, autocommit=True) as billing:
        found = None
        while found != (state,):
            rows = await billing.execute("SELECT state FROM reservation WHERE user_id = %s", [user_id])
            found = await rows.fetchone()
            await asyncio.sleep(0.05)


async def test_an_error_is_printed_on_one_line(stack: Stack) -> None:
    unknown = f"{uuid.uuid4().hex}@example.com"

    answers = [
        await run(stack, "user", "show", unknown),
        await run(stack, "plan", "set", JANE, "gold"),
        await run(stack, "keys", "rotate", LOUPE_OPERATOR_SECRET="wrong"),
    ]

    assert [status for status, _ in answers] == [1, 1, 1]
    assert not any("\n" in output for _, output in answers)
    assert unknown in answers[0][1]
    assert "starter" in answers[1][1]
    assert "secret" in answers[2][1]


async def test_an_invalid_time_is_refused(stack: Stack) -> None:
    answers = [
        await run(stack, "plan", "set", JANE, "starter", "--until", "tomorrow"),
        await run(stack, "endings", "replay", "--since", "24"),
    ]

    assert [status for status, _ in answers] == [2, 2]
    assert "'tomorrow' is not a time" in answers[0][1]
    assert "'24' is not a time" in answers[1][1]
