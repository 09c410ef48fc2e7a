"""Every page, in light and dark and at three widths: axe finds no violation, and nothing scrolls sideways."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import expect

from tests.client import upload_image, wait_for_status
from tests.console.conftest import NewVisitor
from tests.console.installed import CHECKS
from tests.console.visitor import Visitor
from tests.gateway.harness import Harness, People, Person

PAGES = (
    "",
    "/history",
    "/batches",
    "/batches/{batch_id}",
    "/images/{id}",
    "/usage",
    "/tokens",
    "/webhooks",
    "/webhooks/{webhook_id}",
    "/account",
    "/audit",
)
DOORS = ("", "/register", "/forgot")
LONG_NAME = "a picture with a rather long name, as some telephones give them.png"
WEBHOOK = "http://127.0.0.1:9/a/rather/long/address/at/which/nobody/listens?token=0123456789abcdef"
WAIT = {"Prefer": "wait=60"}
WIDTHS = (375, 768, 1440)
SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
AXE = CHECKS / "node_modules/axe-core/axe.min.js"
RUN = "axe.run(document).then(found => found.violations.map(each => [each.id, each.nodes.map(n => n.html)]))"
SETTLED = "document.fonts.ready.then(() => document.documentElement.scrollWidth)"


@dataclass(frozen=True)
class Owner:
    """Somebody who has one of everything."""

    person: Person
    ids: dict[str, int]


@pytest.fixture(scope="module")
async def owner(gateway: Harness, people: People, photos: list[Path]) -> AsyncGenerator[Owner]:
    person = await people.new("professional")
    async with gateway.client(person.token) as client:
        image_id = await upload_image(client, photos[0].read_bytes(), LONG_NAME)
        await wait_for_status(client, image_id, "completed")
        files = [("images[]", (photo.name, photo.read_bytes())) for photo in photos[:2]]
        batch = await client.post("/api/batches", files=files, data={"name": LONG_NAME}, headers=WAIT)
        webhook = await client.post("/api/webhooks", json={"url": WEBHOOK, "description": "Our shop"})
        webhook_id = webhook.json()["data"]["webhook"]["id"]
        await client.post(f"/api/webhooks/{webhook_id}/test")
        ids = {"id": image_id, "batch_id": batch.json()["data"]["id"], "webhook_id": webhook_id}
        yield Owner(person, ids)


async def faults(visitor: Visitor, *paths: str) -> dict[tuple[str, int], list[Any]]:
    """Return what is wrong with each page at each width."""
    page, script, found = visitor.page, AXE.read_text(), dict[tuple[str, int], list[Any]]()
    for path in paths:
        await visitor.open(path)
        await page.locator("h1").wait_for()
        await expect(page.locator("[aria-busy=true]")).to_have_count(0)
        await page.evaluate(script)
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 800})
            scroll_width = await page.evaluate(SETTLED)
            too_wide = [f"{scroll_width} pixels wide"] if scroll_width > width else []
            if wrong := [*await page.evaluate(RUN), *too_wide]:
                found[path, width] = wrong
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_pages_are_accessible_and_fit(visit: NewVisitor, owner: Owner, scheme: str) -> None:
    visitor = await visit(color_scheme=scheme)
    await visitor.enter(owner.person)

    assert not await faults(visitor, *(path.format(**owner.ids) for path in PAGES))


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_pages_before_the_sign_in_are_accessible_and_fit(visit: NewVisitor, scheme: str) -> None:
    visitor = await visit(color_scheme=scheme)

    assert not await faults(visitor, *DOORS)
