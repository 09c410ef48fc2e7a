"""A gateway that serves the console as it was built from this source, and visitors of it."""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, BrowserContext, async_playwright

from loupe_local.services import CONSOLE
from loupe_local.stack import Stack
from tests.console.installed import find_browser, make
from tests.console.visitor import Visitor
from tests.gateway.harness import Harness, People, gateway_on, settings_of

DOWNLOAD_SECONDS = 60_000.0
PHOTO = Path(__file__).parents[2] / "docs/photos/chelsea.png"
NewVisitor = Callable[..., Awaitable[Visitor]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("LOUPE_BROWSER") == "none":
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="LOUPE_BROWSER=none"))


@pytest.fixture(scope="session")
def checks() -> None:
    make(".loupe/console/ready", ".loupe/console/checks/ready")


@pytest.fixture(scope="session")
def people(stack: Stack) -> People:
    return People(stack)


@pytest.fixture(scope="session")
async def gateway(checks: None, stack: Stack) -> AsyncGenerator[Harness]:
    async with gateway_on(settings_of(stack, console_folder=CONSOLE)) as running:
        yield running


@pytest.fixture(scope="session")
async def checking_gateway(checks: None, stack: Stack) -> AsyncGenerator[Harness]:
    """A gateway that has auth check every request."""
    settings = settings_of(stack, console_folder=CONSOLE, principal_seconds=0.0)
    async with gateway_on(settings) as running:
        yield running


@pytest.fixture(scope="session")
async def browser(checks: None) -> AsyncGenerator[Browser]:
    program = find_browser()
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        await running.close()


@pytest.fixture
async def visit(
    browser: Browser, gateway: Harness, stack: Stack
) -> AsyncGenerator[Callable[..., Awaitable[Visitor]]]:
    """Return a function that brings a new visitor, or another tab of the browser of one."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    async def new(beside: Visitor | None = None, gateway: Harness = gateway, **options: object) -> Visitor:
        if beside:
            context = beside.page.context
        else:
            context = await browser.new_context(**options)  # pyright: ignore[reportArgumentType]
            contexts.append(context)
        store = f"http://{stack.stores.s3.endpoint}"
        visitor = Visitor(await context.new_page(), gateway.url, frozenset({gateway.url, store}))
        visitor.watch()
        visitors.append(visitor)
        return visitor

    yield new
    for context in contexts:
        await context.close()
    assert not [fault for visitor in visitors for fault in visitor.faults]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return three small pictures with different names."""
    folder = tmp_path_factory.mktemp("photos")
    whole = Image.open(PHOTO).convert("RGB")
    files: list[Path] = []
    for at, name in enumerate(("eye.png", "fur.jpg", "ear.webp")):
        files.append(folder / name)
        whole.crop((60 * at, 40, 60 * at + 96, 136)).save(files[-1])
    return files
