"""A page of another site follows events in a browser, by the program in docs/api.md."""

from playwright.async_api import Browser

from tests.client import upload_image
from tests.contract.api_client import SMALL
from tests.contract.test_event_clients import WITH_FETCH
from tests.gateway.harness import Harness, People
from tests.outbound.servers import answer, host
from tests.polling import until

PAGE = answer(b"<!doctype html><title>Shop</title>", Content_Type="text/html")
BEGIN = """([API, TOKEN]) => {
    globalThis.printed = [];
    const console = { log: (event) => globalThis.printed.push(event) };
    (async () => { %s })();
}"""
IS_COMPLETED = "printed.find((event) => event.type === 'image.completed')"


async def test_the_program_in_the_docs_follows_events_with_fetch_in_a_browser(
    browser: Browser, gateway: Harness, people: People
) -> None:
    person = await people.new("professional")
    async with (
        host(PAGE) as shop,
        await browser.new_context() as context,
        gateway.client(person.token) as client,
    ):
        page = await context.new_page()
        await page.goto(shop.url)
        await page.evaluate(BEGIN % WITH_FETCH, [gateway.url, person.token])
        await until(lambda: gateway.backend.hub._streams)
        image_id = await upload_image(client, SMALL)
        completed = await (await page.wait_for_function(IS_COMPLETED)).json_value()

    assert completed["data"]["id"] == image_id
