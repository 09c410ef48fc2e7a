"""Takes the pictures of docs/console.md. `make console-pictures` writes them to docs/console."""

import os
from pathlib import Path

import pytest
from PIL import Image
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


IS_WRITING = os.environ.get("LOUPE_PICTURES") == "write"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return REPOSITORY / "docs/console" if IS_WRITING else tmp_path


@pytest.fixture
def originals(tmp_path: Path) -> list[Path]:
    """Return the photos of the page. A test takes small parts of them, which are upscaled sooner."""
    if IS_WRITING:
        return PHOTOS
    for photo in PHOTOS:
        with Image.open(photo) as whole:
            whole.crop((150, 50, 278, 178)).save(tmp_path / photo.name)
    return [tmp_path / photo.name for photo in PHOTOS]


async def take(page: Page, file: Path) -> None:
    await page.evaluate(DECODED)
    await page.evaluate("scrollTo(0, 0)")
    await page.screenshot(path=file, type="jpeg", quality=QUALITY)
    assert file.stat().st_size <= LARGEST_BYTES


async def test_pictures_of_the_console_are_taken(
    visit: NewVisitor, people: People, folder: Path, originals: list[Path]
) -> None:
    folder.mkdir(exist_ok=True)
    visitor = await visit(color_scheme="dark", viewport=DESK)
    await visitor.enter(await people.new("professional"))
    page = visitor.page
    await visitor.choose(*originals)
    await visitor.until_done(photo.name for photo in originals)
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
