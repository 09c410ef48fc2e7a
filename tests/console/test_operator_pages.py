"""The first account of a fresh installation, and the pages of operators."""

import json
import secrets
from typing import Any

from playwright.async_api import expect

from loupe_local.stack import Stack
from tests.console.conftest import NewVisitor
from tests.console.test_every_page import faults
from tests.gateway.harness import PASSWORD, People
from tests.gateway.loupe_admin import run

PAGES = ("users", "queue", "letters", "storage", "webhooks", "settings")


async def code_of(stack: Stack, people: People) -> str:
    """Make the installation fresh again, and return its code."""
    await people.execute_sql("auth", "UPDATE user_account SET role = %s", "user")
    status, output = await run(stack, "--json", "first-run")
    assert status == 0, output
    found: dict[str, Any] = json.loads(output)
    return found["code"]


async def test_the_first_account_of_a_fresh_installation_is_an_operator_and_blocks_a_user(
    visit: NewVisitor, stack: Stack, people: People
) -> None:
    person, code = await people.new(), await code_of(stack, people)
    visitor = await visit()
    visitor.may_be_refused = True
    page = visitor.page
    page.on("dialog", lambda dialog: dialog.accept())
    await visitor.open()
    await page.get_by_role("link", name="Make the first account").click()
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

    assert not await faults(visitor, *(f"/operators/{name}" for name in PAGES))


async def test_others_have_no_pages_of_operators(visit: NewVisitor, people: People) -> None:
    visitor = await visit()
    visitor.may_be_refused = True
    await visitor.enter(await people.new())

    await visitor.open("/operators/users")

    await expect(visitor.page.get_by_role("alert")).to_be_visible()
    await expect(visitor.page.get_by_role("link", name="Operate")).to_have_count(0)
