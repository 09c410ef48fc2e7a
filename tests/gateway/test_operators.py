"""The operators' API: who may call it, and what each route does."""

import asyncio
from typing import Any

import httpx2
import pytest

from gateway.routes import admin
from loupe_local.stack import Stack
from tests.client import client_of
from tests.contract.operations import APPLICATION
from tests.gateway.console import Browser, signed_in
from tests.gateway.event_streams import event_stream
from tests.gateway.harness import PASSWORD, Harness, People, Person
from tests.gateway.loupe_admin import result_of, run, until_audited
from tests.gateway.test_takeover import STALE
from tests.polling import until

DOCUMENT: dict[str, Any] = admin.document(APPLICATION)
OPEN_TO_USERS = {
    ("GET", "/api/admin/access"),
    ("GET", "/api/admin/first-run"),
    ("POST", "/api/admin/first-run"),
}
ROUTES = sorted(
    (method.upper(), path)
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
    if (method.upper(), path) not in OPEN_TO_USERS
)
LISTS = ("users", "plans", "workers", "dead-letters", "webhooks", "settings", "audit")


def address(path: str) -> str:
    return path.format(user_id=999_999, webhook_id=999_999, sequence=999_999)


def test_every_kind_of_thing_has_its_routes() -> None:
    kinds = {path.split("/")[3] for _, path in ROUTES}

    assert kinds == {
        "users", "plans", "queue", "workers", "dead-letters", "storage", "webhooks", "settings", "audit"
    }  # fmt: skip


async def test_every_route_refuses_whoever_is_no_operator_in_a_session(
    gateway: Harness, people: People, operator: Person
) -> None:
    user = await people.new("professional")
    async with (
        httpx2.AsyncClient(base_url=gateway.url, timeout=20) as anonymous,
        gateway.client(user.token) as with_token,
        gateway.client(operator.token) as with_operators_token,
        signed_in(gateway, user) as with_session,
    ):
        answers = {
            (kind, method, path): await client.request(method, address(path))
            for method, path in ROUTES
            for kind, client in (
                ("anonymous", anonymous),
                ("user", with_token),
                ("operator's token", with_operators_token),
                ("session", with_session),
            )
        }

    for (kind, method, path), answer in answers.items():
        expected = (401, "unauthenticated") if kind == "anonymous" else (403, "missing_ability")
        assert (answer.status_code, answer.json()["code"]) == expected, (kind, method, path)


async def test_an_unsafe_route_refuses_a_page_of_another_site(console: Browser, people: People) -> None:
    person = await people.new()

    answer = await console.post(
        f"/api/admin/users/{person.id}/block", headers={"Origin": "https://evil.example.com"}
    )

    assert answer.status_code == 401


async def test_an_unknown_id_is_not_found(console: Browser) -> None:
    for method, path in ROUTES:
        if "{" in path and not path.endswith(("/plan", "/quota")):
            answer = await console.request(method, address(path))
            assert answer.status_code == 404, (method, path, answer.text)


@pytest.mark.parametrize("noun", LISTS)
async def test_every_list_is_paged_as_other_lists(console: Browser, noun: str) -> None:
    answer = (await console.get(f"/api/admin/{noun}", params={"page": "1", "per_page": "2"})).json()

    assert answer["success"] is True
    assert set(answer["meta"]) == {"current_page", "last_page", "per_page", "total"}
    assert len(answer["data"]) == min(2, answer["meta"]["total"])
    assert (answer["links"]["next"] is None) == (answer["meta"]["total"] <= 2)


async def test_a_session_tells_whether_it_may_administer(
    gateway: Harness, people: People, console: Browser
) -> None:
    async with signed_in(gateway, await people.new()) as other:
        answers = [(await one.get("/api/admin/access")).json()["data"] for one in (console, other)]

    assert answers == [
        {"is_operator": True, "needs_second_factor": False},
        {"is_operator": False, "needs_second_factor": False},
    ]


async def test_users_are_found_verified_and_put_on_plans(
    stack: Stack, console: Browser, people: People, operator: Person
) -> None:
    person = await people.new(verified=False)
    one = f"/api/admin/users/{person.id}"

    found = (await console.get("/api/admin/users", params={"search": person.email})).json()
    unverified = (await console.get("/api/admin/users", params={"status": "unverified"})).json()
    verified = await console.post(f"{one}/verify")
    on_plan = await console.put(f"{one}/plan", json={"plan": "starter"})
    with_quota = await console.put(f"{one}/quota", json={"images_per_month": 7})
    reset = await console.put(f"{one}/quota", json={})

    assert [user["id"] for user in found["data"]] == [person.id]
    assert unverified["data"][0]["id"] == person.id
    assert verified.json()["data"]["email_verified_at"]
    assert on_plan.json()["data"]["plan"] == "starter"
    assert (with_quota.json()["data"]["limit"], with_quota.json()["data"]["has_custom_quota"]) == (7, True)
    assert reset.json()["data"]["has_custom_quota"] is False
    for event in ("address.verified", "plan.changed"):  # the quota changed twice
        await until_audited(stack, person, event, operator)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("plan", {"plan": "no-such"}, "plan"),
        ("plan", {"plan": "starter", "ends_at": "soon"}, "ends_at"),
        ("quota", {"images_per_month": -1}, "images_per_month"),
        ("quota", {"images_per_month": "many"}, "images_per_month"),
        ("quota", {"images_per_month": 10**30}, "images_per_month"),
    ],
)
async def test_a_wrong_change_names_its_field(
    console: Browser, people: People, path: str, body: dict[str, Any], field: str
) -> None:
    person = await people.new("starter")

    answer = await console.put(f"/api/admin/users/{person.id}/{path}", json=body)

    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


async def test_a_blocked_user_is_refused_at_every_door_until_unblocked(
    stack: Stack, gateway: Harness, console: Browser, people: People, operator: Person
) -> None:
    person = await people.new("starter")
    login = {"email": person.email, "password": PASSWORD}
    one = f"/api/admin/users/{person.id}"
    async with gateway.client(person.token) as client, signed_in(gateway, person) as browser:
        async with event_stream(client) as stream:
            blocked = await console.post(f"{one}/block")
            async with asyncio.timeout(20):
                async for _ in stream.lines:
                    pass  # it ends
        doors = [
            await client.get("/api/user"),
            await browser.get("/api/user"),
            await client.post("/api/auth/login", json=login),
            await browser.post("/console/session", json=login),
        ]
        wrong = await client.post("/api/auth/login", json=login | {"password": "Wrong1horse"})
        await console.post(f"{one}/unblock")
        again = [await client.get("/api/user"), await browser.get("/api/user")]

    assert blocked.json()["data"]["blocked_at"]
    assert {(door.status_code, door.json()["code"]) for door in doors} == {(403, "account_blocked")}
    assert wrong.status_code == 401
    assert [answer.status_code for answer in again] == [200, 200]
    for event in ("account.blocked", "account.unblocked"):
        await until_audited(stack, person, event, operator)


async def test_operators_can_neither_block_themselves_nor_reset_their_own_second_factor(
    console: Browser, operator: Person
) -> None:
    blocked = await console.post(f"/api/admin/users/{operator.id}/block")
    reset = await console.delete(f"/api/admin/users/{operator.id}/second-factor")

    for answer in (blocked, reset):
        assert (answer.status_code, answer.json()["code"]) == (422, "own_account")
    assert await console.is_signed_in()


async def test_an_old_session_of_an_operator_switches_off_no_second_factor_without_a_proof(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person, owner = await people.new(), await people.new()
    await result_of(stack, "user", "promote", person.email)
    path = f"/api/admin/users/{owner.id}/second-factor"
    async with signed_in(gateway, person) as browser:
        await people.execute_sql("auth", STALE, person.id)
        refused = await browser.delete(path)
        wrong = await browser.request("DELETE", path, json={"current_password": "Wrong-Horse-1"})
        admitted = await browser.request("DELETE", path, json={"current_password": PASSWORD})
    await result_of(stack, "user", "demote", person.email)

    assert (refused.status_code, refused.json()["code"]) == (403, "reauthentication_required")
    assert list(wrong.json()["errors"]) == ["current_password"]
    assert admitted.status_code == 200


async def test_a_dismissed_operator_is_refused_at_once(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person = await people.new()
    await result_of(stack, "user", "promote", person.email)
    async with signed_in(gateway, person) as browser:
        before = await browser.get("/api/admin/queue")
        await result_of(stack, "user", "demote", person.email)
        after = await browser.get("/api/admin/queue")

    assert (before.status_code, after.status_code) == (200, 403)


async def test_the_first_run_is_over_once_there_is_an_operator(
    stack: Stack, gateway: Harness, operator: Person
) -> None:
    body = {"code": "guessed", "name": "M", "email": "m@example.com", "password": PASSWORD}
    async with Browser(gateway.url) as browser:
        state = (await browser.get("/api/admin/first-run")).json()["data"]
        answer = await browser.post("/api/admin/first-run", json=body)
        foreign = await browser.post(
            "/api/admin/first-run", json=body, headers={"Origin": "https://e.example"}
        )
    status, output = await run(stack, "first-run")

    assert state == {"is_open": False}
    assert (answer.status_code, answer.json()["code"]) == (403, "first_run_refused")
    assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign_page")
    assert (status, "has an operator" in output) == (1, True)


async def test_queue_storage_and_workers_are_shown_here_and_in_the_terminal(
    stack: Stack, console: Browser
) -> None:
    queue = (await console.get("/api/admin/queue")).json()["data"]
    storage = (await console.get("/api/admin/storage")).json()["data"]
    workers = (await console.get("/api/admin/workers")).json()["data"]

    shown = [await result_of(stack, noun) for noun in ("queue", "storage", "settings")]

    assert shown[0]["workers"][0]["name"] in [worker["name"] for worker in workers]
    assert shown[1].keys() == storage.keys()
    assert {one["service"] for one in shown[2]["settings"]} == {"auth", "billing", "images", "outbound"}
    assert queue["workers"] == sum(worker["is_alive"] for worker in workers) == 1
    assert "faithful" in queue["models"]
    assert queue["waiting"] >= queue["waiting_priority"] >= 0
    assert storage["images"] >= 0
    assert storage["original_bytes"] >= 0


async def test_the_settings_in_force_have_no_secret(stack: Stack, console: Browser) -> None:
    found, page = list[dict[str, Any]](), 1
    while page:
        answer = (
            await console.get("/api/admin/settings", params={"page": str(page), "per_page": "100"})
        ).json()
        found += answer["data"]
        page = page + 1 if answer["links"]["next"] else 0

    assert {one["service"] for one in found} == {"auth", "billing", "gateway", "images", "outbound"}
    values = " ".join(one["value"] or "" for one in found)
    for secret in [*stack.services.secrets.values(), *stack.services.stores.postgres.passwords.values()]:
        assert secret not in values
    by_name = {(one["service"], one["name"]): one for one in found}
    assert by_name["auth", "secret"]["is_secret"] is True
    assert by_name["auth", "audit_days"] == {
        "service": "auth", "name": "audit_days", "value": "400", "is_default": True, "is_secret": False
    }  # fmt: skip


async def test_a_failing_webhook_is_listed_and_redriven(
    stack: Stack, console: Browser, people: People, operator: Person
) -> None:
    person = await people.new("starter")
    async with client_of(stack, person.token) as client:
        made = await client.post("/api/webhooks", json={"url": "http://127.0.0.1:9/"})
        webhook_id = made.json()["data"]["webhook"]["id"]
        await client.post(f"/api/webhooks/{webhook_id}/test")

    async def fails() -> bool:
        listed = (await console.get("/api/admin/webhooks", params={"per_page": "100"})).json()["data"]
        return webhook_id in [one["id"] for one in listed]

    await until(fails)
    redriven = await console.post(f"/api/admin/webhooks/{webhook_id}/redrive")

    assert (redriven.status_code, redriven.json()["data"]) == (202, {"deliveries": 1})
    await until_audited(stack, person, "webhook.changed", operator)
