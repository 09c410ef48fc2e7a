"""A picture that a browser cannot show, or should not load as a whole, is compared tile by tile."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Locator, Page, Request, expect

from loupe_local.state import REPOSITORY
from tests.console.conftest import NewVisitor
from tests.console.visitor import Visitor
from tests.gateway.harness import People
from tests.overrides import LARGEST_SHOWN_PIXELS

HEIC = REPOSITORY / "tests/inference/heic/rgb.heic"
COLOUR_AT = """(canvas, [x, y]) => {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.drawImage(canvas, -Math.floor(x * canvas.width), -Math.floor(y * canvas.height));
  return [...context.getImageData(0, 0, 1, 1).data];
}"""


def quarters(width: int, height: int) -> Image.Image:
    """Return a picture with another colour in each quarter: red, green, blue and white."""
    samples = np.zeros((height, width, 3), np.uint8)
    samples[: height // 2, : width // 2, 0] = samples[: height // 2, width // 2 :, 1] = 230
    samples[height // 2 :, : width // 2, 2] = samples[height // 2 :, width // 2 :] = 230
    return Image.fromarray(samples)


async def compare(visitor: Visitor, file: Path) -> Locator:
    """Upscale the picture, and open its comparison."""
    await visitor.choose(file)
    await visitor.until_done([file.name])
    await visitor.page.get_by_role("link", name=f"Compare {file.name}").click()
    return visitor.page.get_by_role("application")


async def is_drawn(stage: Locator, label: str) -> Locator:
    """Wait until all visible tiles are drawn, and return the canvas."""
    canvas = stage.get_by_role("img", name=label).and_(stage.locator("canvas[data-level]"))
    await expect(canvas.first).to_be_visible(timeout=30_000)
    return canvas.first


async def shows_quarters(canvas: Locator) -> bool:
    spots = [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)]
    found = [await canvas.evaluate(COLOUR_AT, list(spot)) for spot in spots]
    expected = [(230, 0, 0), (0, 230, 0), (0, 0, 230), (230, 230, 230)]
    return bool(np.abs(np.array(found)[:, :3] - np.array(expected)).max() < 16)


@pytest.fixture
async def visitor(visit: NewVisitor, people: People) -> Visitor:
    visitor = await visit()
    await visitor.enter(await people.new("professional"))
    return visitor


async def has_thumbnail(page: Page, name: str) -> None:
    """Wait until a list shows the preview of the picture."""
    row = page.get_by_role("listitem").filter(has_text=name)
    await expect(row.locator("img.thumbnail[src*='images/previews/']")).to_be_visible()


async def test_a_tiff_is_compared_and_has_a_thumbnail(visitor: Visitor, tmp_path: Path) -> None:
    file = tmp_path / "scan.tif"
    quarters(600, 400).save(file)

    stage = await compare(visitor, file)

    assert await shows_quarters(await is_drawn(stage, "Before, enlarged by your browser"))
    assert await shows_quarters(await is_drawn(stage, "After"))
    await visitor.page.get_by_role("button", name="Lens").click()
    await stage.press("1")
    await expect(stage.locator(".glass canvas[data-level='1200x800']")).to_have_count(1)
    await expect(stage.locator(".glass canvas[data-level='600x400']")).to_have_count(1)
    await visitor.open("/history")
    await has_thumbnail(visitor.page, file.name)


async def test_a_photo_of_a_telephone_is_shown_beside_its_result(visitor: Visitor) -> None:
    stage = await compare(visitor, HEIC)

    await is_drawn(stage, "Before, enlarged by your browser")
    await expect(stage.get_by_alt_text("After")).to_be_visible()
    await expect(stage.get_by_text("cannot show")).to_have_count(0)
    await visitor.open()
    await has_thumbnail(visitor.page, HEIC.name)


async def test_of_a_large_result_only_visible_tiles_are_loaded(visitor: Visitor, tmp_path: Path) -> None:
    file = tmp_path / "poster.png"
    quarters(1000, 800).save(file)
    assert LARGEST_SHOWN_PIXELS < 2000 * 1600
    ranges: list[str] = []

    def note(request: Request) -> None:
        if ".pyramid" in request.url and request.headers.get("range"):
            ranges.append(request.headers["range"])

    visitor.page.on("request", note)
    stage = await compare(visitor, file)

    canvas = await is_drawn(stage, "After")
    assert await shows_quarters(canvas)
    await stage.press("1")
    await expect(stage.locator("canvas[data-level='2000x1600']")).to_have_count(1)
    seen = len(ranges)
    for _ in range(40):
        await stage.press("ArrowDown")
    await expect(stage.locator("canvas[data-level='2000x1600']")).to_have_count(1)
    assert len(set(ranges)) > seen
    assert len(set(ranges)) == len(ranges)
