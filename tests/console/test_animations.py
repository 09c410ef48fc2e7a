"""Before and after of an animation show the same frame at any time, also if one of the files comes late."""

import asyncio
import io
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.async_api import Locator, Route, expect

from tests.console.conftest import NewVisitor
from tests.console.test_large_pictures import compare
from tests.gateway.harness import People

COLOURS = ((220, 30, 30), (30, 200, 30), (30, 30, 220))
FRAME_MS, LATE_SECONDS = 500, 0.75


def animation(file: Path) -> Path:
    """Write an animation with another colour in each frame."""
    first, *others = [Image.new("RGB", (48, 48), colour) for colour in COLOURS]
    first.save(file, save_all=True, append_images=others, duration=FRAME_MS, loop=0)
    return file


async def frames_in(stage: Locator) -> tuple[int, int]:
    """Return which frame is on the left and which is on the right, at the same moment."""
    seen = np.array(Image.open(io.BytesIO(await stage.screenshot())).convert("RGB"), dtype=int)
    height, width = seen.shape[:2]
    spots = (seen[height // 2, width // 2 + side * height // 4] for side in (-1, 1))
    left, right = (int(np.abs(np.array(COLOURS) - spot).sum(1).argmin()) for spot in spots)
    return left, right


async def test_before_and_after_of_an_animation_run_in_step(
    visit: NewVisitor, people: People, tmp_path: Path
) -> None:
    visitor, delayed = await visit(), list[str]()
    await visitor.enter(await people.new("professional"))

    async def answer_late(route: Route) -> None:
        delayed.append(route.request.url)
        await asyncio.sleep(LATE_SECONDS)
        await route.continue_()

    await visitor.page.route("**/upscaled/**.gif?*", answer_late)
    stage = await compare(visitor, animation(tmp_path / "moving.gif"))
    await expect(stage.get_by_alt_text("After")).to_be_visible()

    seen, was_in_step = set[int](), True
    while seen != {0, 1, 2}:
        left, right = await frames_in(stage)
        assert left == right or was_in_step, "only the moment of a change may show two frames"
        was_in_step = left == right
        seen.add(left)
    assert len(delayed) == 1
