"""`make bench-console` weighs the first page of the console, and measures how soon a person can use it.

It also measures whether a long history makes the page grow. The first page is loaded as by a slow telephone
in a slow network.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import BrowserContext, CDPSession, Page, Response, async_playwright

from loupe_local.log import to_file
from loupe_local.services import CONSOLE
from loupe_local.stack import Stack, stack
from tests.bench.figures import Figure, show
from tests.console.installed import find_browser, make
from tests.console.visitor import Visitor
from tests.gateway.harness import Harness, People, Person, gateway_on, settings_of

SLOW_NETWORK = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1.6e6 / 8,
    "uploadThroughput": 0.75e6 / 8,
}
"""Milliseconds, and bytes a second. Lighthouse calls this slow 4G."""
SLOWER_PROCESSOR = 4
LOADS = 5
IMAGES = 100_000
WARM_PAGES, MEASURED_PAGES = 20, 100
INSERT = """
    INSERT INTO image (user_id, original_filename, original_path, original_bytes, original_width,
        original_height, upscaled_path, upscaled_format, upscaled_width, upscaled_height, status, api_request,
        is_priority, reservation_id, reserved_until, attempt, excused, created_at, updated_at)
    SELECT %s, n::text || '.png', n::text || '.png', 1, 1, 1, 'result.png', 'PNG', 2, 2, 'failed', true,
        false, '00000000-0000-4000-8000-000000000000', now(), 0, 0, now(), now()
    FROM generate_series(1, 100000) AS n
"""
"""Failed images have no pictures, which the browser would keep outside the memory that is measured."""


@dataclass(frozen=True, slots=True)
class Loaded:
    script_bytes: int
    seconds: float


async def first_load(context: BrowserContext, url: str) -> Loaded:
    """Load the sign-in with an empty cache. Return the bytes of scripts, and when a person can type."""
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", SLOW_NETWORK)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER_PROCESSOR})
    scripts = list[Response]()
    page.on("response", lambda found: scripts.append(found) if found.url.endswith(".js") else None)
    started = time.perf_counter()
    await page.goto(f"{url}/console", wait_until="commit")
    await page.get_by_label("Email address").fill("ada@example.com")
    seconds = time.perf_counter() - started
    sizes = [(await (await each.request.response() or each).request.sizes()) for each in scripts]
    await page.close()
    return Loaded(sum(size["responseBodySize"] for size in sizes), seconds)


async def bytes_in_use(session: CDPSession) -> int:
    await session.send("HeapProfiler.collectGarbage")
    return (await session.send("Runtime.getHeapUsage"))["usedSize"]


async def turn(page: Page, pages: int) -> None:
    older = page.get_by_role("button", name="Older")
    for _ in range(pages):
        before = await page.locator(".tile .name").first.inner_text()
        await older.click()
        await page.locator(".tile .name", has_text=before).first.wait_for(state="detached")


async def growth_of_history(visitor: Visitor, person: Person) -> float:
    """Return the memory of the page after 120 pages of the history over that after 20."""
    await visitor.enter(person)
    session = await visitor.page.context.new_cdp_session(visitor.page)
    await visitor.open("/history")
    await turn(visitor.page, WARM_PAGES)
    before = await bytes_in_use(session)
    await turn(visitor.page, MEASURED_PAGES)
    return await bytes_in_use(session) / before


async def measure(
    gateway: Harness, running: Stack, new_context: Callable[[], Awaitable[BrowserContext]]
) -> dict[str, Figure]:
    loads = [await first_load(await new_context(), gateway.url) for _ in range(LOADS)]
    people = People(running)
    person = await people.new("professional")
    await people.execute_sql("images", INSERT, person.id)
    page = await (await new_context()).new_page()
    growth = await growth_of_history(Visitor(page, gateway.url, frozenset()), person)
    return {
        "console_first_page_kib_of_scripts": Figure(loads[0].script_bytes / 1024, at_most=200),
        "console_slow_4g_seconds_until_usable": Figure(min(each.seconds for each in loads), at_most=3.8),
        "console_history_of_100000_memory_growth": Figure(growth, at_most=1.1),
    }


async def run() -> None:
    make(".loupe/console/ready", ".loupe/console/checks/ready")
    with tempfile.TemporaryDirectory(prefix="loupe-bench-") as folder:
        async with (
            stack(Path(folder) / "state", sink=to_file(Path(folder) / "log")) as running,
            gateway_on(settings_of(running, console_folder=CONSOLE)) as gateway,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
            show(await measure(gateway, running, browser.new_context))
            await browser.close()


if __name__ == "__main__":
    asyncio.run(run())
