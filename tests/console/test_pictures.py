"""Takes the pictures of docs/console.md. `make console-pictures` writes them to docs/console."""

import os
from pathlib import Path

import pytest
from playwright.async_api import Page

from loupe_local.state import REPOSITORY
from tests.console.conftest import NewVisitor
from tests.gateway.harness import People

PHOTOS = [REPOSITORY / "docs/photos" / name for name in ("astronaut.png", "chelsea.png", "coffee.png")]
LARGEST_BYTES = 150_000
QUALITY = 72
DESK = {"width": 1280, "height": 800}
TELEPHONE = {"width": 375, "height": 760}
DECODED = "Promise.all([...document.images].map(image => image.decode().catch(() => undefined)))"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return REPOSITORY / "docs/console" if os.environ.get("LOUPE_PICTURES") == "write" else tmp_path


async def take(page: Page, file: Path) -> None:
    await page.evaluate(DECODED)
    await page.evaluate("scrollTo(0, 0)")
    await page.screenshot(path=file, type="jpeg", quality=QUALITY)
    assert file.stat().st_size <= LARGEST_BYTES


async def test_pictures_of_the_console_are_taken(visit: NewVisitor, people: People, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    visitor = await visit(color_scheme="dark", viewport=DESK)
    await visitor.enter(await people.new("professional"))
    page = visitor.page
    await visitor.choose(*PHOTOS)
    await visitor.until_done(photo.name for photo in PHOTOS)
    await take(page, folder / "upscale.jpg")

    await page.get_by_role("link", name="Compare chelsea.png").click()
    stage = page.get_by_role("application")
    await stage.get_by_alt_text("After").wait_for()
    await take(page, folder / "compare.jpg")
    await page.get_by_role("button", name="Lens").click()
    await page.get_by_role("button", name="2:1").click()
    box = await stage.bounding_box()
    assert box
    await page.mouse.move(box["x"] + 0.44 * box["width"], box["y"] + 0.36 * box["height"])
    await take(page, folder / "lens.jpg")

    await page.set_viewport_size({"width": TELEPHONE["width"], "height": TELEPHONE["height"]})
    await visitor.open("/history")
    await visitor.sees("coffee.png")
    await take(page, folder / "telephone.jpg")
