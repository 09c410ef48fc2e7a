"""Webhooks: the secret that is shown once, the log, another delivery, and a pause."""

from playwright.async_api import expect

from tests.console.conftest import NewVisitor
from tests.gateway.harness import People
from tests.outbound.receiver import answer, receiver


async def test_a_webhook_is_made_tested_replayed_paused_and_deleted(
    visit: NewVisitor, people: People
) -> None:
    visitor = await visit()
    await visitor.enter(await people.new())
    page = visitor.page
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("link", name="API").click()
    await page.get_by_role("link", name="Webhooks").click()

    async with receiver(answer(400, b"who are you?"), answer(204)) as target:
        await page.get_by_label("Address").fill(target.url)
        await page.get_by_label("Label, for you").fill("Our shop")
        await page.get_by_role("button", name="Add the webhook").click()
        secret = await page.locator("code").inner_text()
        await page.get_by_role("link", name=target.url).click()
        await page.get_by_role("button", name="Send a test").click()
        await visitor.sees("answered 400 in")
        await page.get_by_text("The answer").click()
        await visitor.sees("who are you?")
        assert secret not in await page.content()
        await page.get_by_role("button", name="Pause").click()
        await visitor.sees("Paused")
        await expect(page.get_by_role("button", name="Send a test")).to_be_disabled()
        await page.get_by_role("button", name="Go on").click()
        await visitor.sees("Delivered: webhook.test")
        await page.get_by_role("button", name="Send again webhook.test").click()
        await visitor.sees("answered 204 in")
        assert target.received[0].verified(secret)["type"] == "webhook.test"

    await page.get_by_role("button", name="Delete").click()
    await visitor.sees("You have no webhooks.")


async def test_an_address_that_is_refused_says_why_and_stays(visit: NewVisitor, people: People) -> None:
    visitor = await visit()
    visitor.may_be_refused = True
    await visitor.enter(await people.new())
    await visitor.open("/webhooks")
    address = visitor.page.get_by_label("Address")

    await address.fill("ftp://example.com")
    await visitor.page.get_by_role("button", name="Add the webhook").click()

    await visitor.sees("The url must")
    await expect(address).to_have_value("ftp://example.com")
