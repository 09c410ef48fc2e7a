"""`loupe-admin` as an operator runs it."""

import asyncio
import json
import sys
import uuid
from datetime import timedelta
from typing import Any

import httpx2
import psycopg
from client import client_of, image, until, upscale, used
from PIL import Image
from pixels import encoded

from common.db import now
from loupe_local.process import output_of
from loupe_local.stack import Stack
from tests.gateway.gateway_rig import PASSWORD, People

JANE = "jane@example.com"
PHOTO = encoded(Image.effect_noise((24, 16), 80).convert("RGB"))


async def run(stack: Stack, *arguments: str, **replaced: str) -> tuple[int, str]:
    """Exit status, and what it printed."""
    told = {f"LOUPE_{name.upper()}": value for name, value in stack.services.admin.items()}
    return await output_of([sys.executable, "-m", "gateway.admin", *arguments], env=told | replaced)


async def told(stack: Stack, *arguments: str) -> dict[str, Any]:
    status, output = await run(stack, "--json", *arguments)
    assert status == 0, output
    assert "\n" not in output
    return json.loads(output)


async def lines(stack: Stack, *arguments: str) -> list[dict[str, Any]]:
    status, output = await run(stack, "--json", *arguments)
    assert status == 0, output
    return [json.loads(line) for line in output.splitlines()]


async def test_a_trial_a_cancellation_and_a_missing_payment(stack: Stack, people: People) -> None:
    person = await people.new()
    later, earlier = (now() + timedelta(days=3)).isoformat(), (now() - timedelta(days=3)).isoformat()

    seen: list[tuple[bool, bool, bool, bool]] = []
    for options in (["--trial-until", later], ["--until", later], ["--until", earlier], ["--past-due"], []):
        await told(stack, "plan", "set", person.email, "starter", *options)
        async with client_of(stack, person.token) as client:
            answer = await client.get("/api/subscription")
        ours = answer.json()["data"]["subscription"]
        seen.append(
            (ours["is_active"], ours["is_on_trial"], ours["is_cancelled"], ours["is_on_grace_period"])
        )

    assert seen == [
        (True, True, False, False),
        (True, False, True, True),
        (False, False, True, False),
        (False, False, False, False),
        (True, False, False, False),
    ]


async def test_a_quota_of_its_own_and_back(stack: Stack, people: People) -> None:
    person = await people.new("starter")

    await told(stack, "quota", "set", person.email, "40")
    async with client_of(stack, person.token) as client:
        raised = (await client.get("/api/usage")).json()["data"]["image_uploads"]["limit"]
        await told(stack, "quota", "reset", person.email)
        reset = (await client.get("/api/usage")).json()["data"]["image_uploads"]["limit"]

    assert (raised, reset) == (40, 25)


async def test_the_month_of_a_user_entry_by_entry(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        image_id = (await upscale(client, PHOTO)).json()["data"]["id"]
        await until(client, image_id, "completed")

    month = await told(stack, "quota", "show", person.email)

    assert month["usage"]["used"] == "1"
    assert month["entries"][0]["reason"] == "reserved"
    assert sum(entry.get("change", 0) for entry in month["entries"]) == 1


async def test_a_verified_address_without_a_mail(stack: Stack, people: People) -> None:
    person = await people.new(verified=False)

    await told(stack, "user", "verify", person.email)

    async with httpx2.AsyncClient(base_url=stack.api, timeout=20) as client:
        login = {"email": person.email, "password": PASSWORD}
        assert (await client.post("/api/auth/login", json=login)).status_code == 200


async def test_tokens_of_before_a_rotation_of_keys_go_on(stack: Stack, people: People) -> None:
    person = await people.new("starter")

    first = await told(stack, "keys", "rotate")
    second = await told(stack, "keys", "rotate")

    assert first["key_id"] != second["key_id"]
    async with client_of(stack, person.token) as client:
        assert (await client.get("/api/images")).status_code == 200
    assert (await told(stack, "user", "show", person.email))["user"]["email"] == person.email


async def test_a_job_that_failed_for_good_is_driven_again(stack: Stack, people: People) -> None:
    """Its attempts are used up in the table, as if three workers had died over it."""
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        await stack.stores.supervisor.stop("inference")
        try:
            image_id = (await upscale(client, PHOTO)).json()["data"]["id"]
            await people.change("images", "UPDATE image SET attempt = 3 WHERE id = %s", image_id)
        finally:
            await stack.stores.supervisor.restart("inference")
        failed = await until(client, image_id, "failed")
        dead = [
            one
            for one in (await told(stack, "dead", "list"))["messages"]
            if one.get("image_id") == str(image_id)
        ]

        await told(stack, "dead", "redrive", dead[0]["sequence"])

        await until(client, image_id, "completed")
    status, output = await run(stack, "dead", "redrive", dead[0]["sequence"])
    assert failed["error"]["code"] == "attempts_exhausted"
    assert len(dead) == 1
    assert status == 1
    assert "Dead message not found" in output


async def test_an_image_whose_result_is_gone_is_listed_and_fails_where_that_is_asked_for(
    stack: Stack, people: People
) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        image_id = (await upscale(client, PHOTO)).json()["data"]["id"]
        key = (await until(client, image_id, "completed"))["upscaled_path"]
        store = stack.stores.s3
        await asyncio.to_thread(store.client("images").remove_object, store.bucket, key)

        listed = await lines(stack, "objects", "check")
        between = await image(client, image_id)
        await lines(stack, "objects", "check", "--mark")
        marked = await image(client, image_id)
        again = await lines(stack, "objects", "check")

    [found] = [one for one in listed if one.get("image_id") == str(image_id)]
    assert (found["status"], found["key"]) == ("STATUS_COMPLETED", key)
    assert between["status"] == "completed"
    assert (marked["status"], marked["error"]["code"]) == ("failed", "object_lost")
    assert str(image_id) not in [one.get("image_id") for one in again]
    assert int(listed[-1]["checked"]) == int(again[-1]["checked"]) + len(listed) - 1


async def test_endings_that_billing_forgot_are_told_again(stack: Stack, people: People) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        image_id = (await upscale(client, PHOTO)).json()["data"]["id"]
        await until(client, image_id, "completed")
        await until_reservation(stack, person.id, "captured")
        forgotten = "UPDATE reservation SET state = 'reserved' WHERE user_id = %s"
        await people.change("billing", forgotten, person.id)

        none = await told(stack, "endings", "replay", "--since", "2999-01-01")
        some = await told(stack, "endings", "replay", "--since", "1h")
        await until_reservation(stack, person.id, "captured")

        assert await used(client) == 1
    assert none == {"replayed": "0"}
    assert int(some["replayed"]) >= 1


async def until_reservation(stack: Stack, user_id: int, state: str) -> None:
    """The user's only one has that state."""
    url = stack.stores.postgres.admin_url("billing")
    async with asyncio.timeout(20), await psycopg.AsyncConnection.connect(url, autocommit=True) as billing:
        found = None
        while found != (state,):
            rows = await billing.execute("SELECT state FROM reservation WHERE user_id = %s", [user_id])
            found = await rows.fetchone()
            await asyncio.sleep(0.05)


async def test_what_is_wrong_is_said_in_a_line(stack: Stack) -> None:
    nobody = f"{uuid.uuid4().hex}@example.com"

    answers = [
        await run(stack, "user", "show", nobody),
        await run(stack, "plan", "set", JANE, "gold"),
        await run(stack, "keys", "rotate", LOUPE_OPERATOR_SECRET="wrong"),
    ]

    assert [status for status, _ in answers] == [1, 1, 1]
    assert not any("\n" in output for _, output in answers)
    assert nobody in answers[0][1]
    assert "starter" in answers[1][1]
    assert "secret" in answers[2][1]


async def test_a_time_that_is_none_is_refused(stack: Stack) -> None:
    answers = [
        await run(stack, "plan", "set", JANE, "starter", "--until", "tomorrow"),
        await run(stack, "endings", "replay", "--since", "24"),
    ]

    assert [status for status, _ in answers] == [2, 2]
    assert "'tomorrow' is no instant" in answers[0][1]
    assert "'24' is no instant" in answers[1][1]
