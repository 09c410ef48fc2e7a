"""The first account of a fresh installation, and the pages of operators."""

import json
import secrets
from typing import Any

from playwright.async_api import Page, expect

from common import bus
from common.metrics import Readiness
from images.domain import jobs
from loupe.images.v1.images_pb2 import ImageSubmitted
from loupe_local.stack import Stack
from tests.client import client_of, pause_worker, wait_for_status
from tests.console.conftest import NewVisitor
from tests.console.test_every_page import faults
from tests.console.visitor import Visitor
from tests.contract.api_client import SMALL
from tests.gateway.harness import PASSWORD, People, Person
from tests.gateway.loupe_admin import run

PAGES = ("users", "audit", "queue", "letters", "storage", "webhooks", "settings")
EXHAUST = "UPDATE image SET failure_code = %s WHERE id = %s"


async def code_of(stack: Stack, people: People) -> str:
    """Make the installation fresh again, and return its code."""
    await people.execute_sql("auth", "UPDATE user_account SET role = %s", "user")
    status, output = await run(stack, "--json", "first-run")
    assert status == 0, output
    found: dict[str, Any] = json.loads(output)
    return found["code"]


async def change_plan_and_quota(page: Page, person: Person) -> None:
    await page.get_by_role("button", name=f"Plan and quota {person.email}").click()
    await page.get_by_label("Plan", exact=True).select_option("starter")
    await page.get_by_label("Ends on").fill("2099-12-31")
    await page.get_by_label("Monthly quota").select_option("custom")
    await page.get_by_label("Images a month").fill("many")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("The images per month must be").wait_for()
    await page.get_by_label("Images a month").fill("7")
    await page.get_by_role("button", name="Save").click()


async def redrive_a_letter(visitor: Visitor, stack: Stack, people: People) -> None:
    """Give up the job of an image as if its attempts were used up, and have it handled again."""
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        with pause_worker(stack):
            files = [("images[]", ("photo.png", SMALL))]
            made = await client.post("/api/batches", files=files)
            await client.delete(f"/api/batches/{made.json()['data']['id']}")
        [image] = (await client.get("/api/images")).json()["data"]
        await people.execute_sql("images", EXHAUST, jobs.EXHAUSTED, image["id"])
        async with bus.connection(stack.stores.nats_url("images"), "tests", Readiness()) as nats:
            letter = ImageSubmitted(image_id=image["id"]).SerializeToString()
            await nats.jetstream().publish(
                jobs.DEAD_STANDARD, letter, headers={"Loupe-Error": "It is broken."}
            )
        await visitor.open("/operators/letters")
        await visitor.sees("It is broken.")
        await visitor.page.get_by_role("button", name="Handle again").first.click()
        await visitor.sees("Accepted.")
        await wait_for_status(client, image["id"], "completed")


async def test_the_first_account_of_a_fresh_installation_is_an_operator_who_runs_it(
    visit: NewVisitor, stack: Stack, people: People
) -> None:
    person, code = await people.new(), await code_of(stack, people)
    visitor = await visit()
    visitor.may_be_refused = True
    page = visitor.page
    page.on("dialog", lambda dialog: dialog.accept())
    await visitor.open()
    await page.get_by_role("link", name="Make the operator's account").click()
    await page.get_by_label("One-time code").fill("guessed")
    await page.get_by_label("Your name").fill("Ada")
    await page.get_by_label("Email address").fill(f"{secrets.token_hex(6)}@example.com")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("The password again").fill(PASSWORD)

    await page.get_by_role("button", name="Create account").click()
    await visitor.sees("The code is wrong")
    await page.get_by_label("One-time code").fill(code)
    await page.get_by_role("button", name="Create account").click()
    await page.get_by_role("link", name="Operate").click()
    await page.get_by_label("Part of the address or name").fill(person.email)
    await page.get_by_role("button", name=f"Block {person.email}", exact=True).click()
    await expect(page.get_by_role("button", name=f"Unblock {person.email}")).to_be_visible()
    await change_plan_and_quota(page, person)
    await visitor.sees("Plan: starter · 0 of 7 images this month · until Dec 31, 2099")
    await page.get_by_label("Plan", exact=True).select_option("professional")
    await page.get_by_role("button", name="Save").click()
    await visitor.sees("Plan: professional · 0 of 7 images this month · until Dec 31, 2099")
    await redrive_a_letter(visitor, stack, people)
    await visitor.open("/operators/users")
    await page.get_by_role("link", name=f"Activity {person.email}").click()
    for event in ("Account blocked by an operator", "Plan changed", "Monthly quota changed"):
        await page.locator(".lines .name", has_text=event).first.wait_for()

    assert not await faults(visitor, *(f"/operators/{name}" for name in PAGES))


async def test_others_have_no_pages_of_operators(visit: NewVisitor, people: People) -> None:
    visitor = await visit()
    visitor.may_be_refused = True
    await visitor.enter(await people.new())

    await visitor.open("/operators/users")

    await expect(visitor.page.get_by_role("alert")).to_be_visible()
    await expect(visitor.page.get_by_role("link", name="Operate")).to_have_count(0)
