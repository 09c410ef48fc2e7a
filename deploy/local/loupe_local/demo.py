"""Upscale one photo through the whole system, and write a picture that compares before and after."""

import asyncio
import io
import json
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from PIL import Image, ImageDraw, ImageOps

from loupe_local.log import to_file
from loupe_local.stack import Stack, stack
from loupe_local.state import REPOSITORY

PHOTO = REPOSITORY / "docs" / "photos" / "chelsea.png"
RESULTS = REPOSITORY / ".loupe" / "demo"
LONGEST_WAIT_SECONDS = 1800
CROP = 640
"""Side of the compared detail, in pixels of the result."""


class DemoFailed(Exception):
    """The demo cannot go on. The message is for the person who started it."""


async def run(folder: Path, photo: Path, scale: int) -> None:
    original = await asyncio.to_thread(_read, photo)
    log = folder / "demo.log"
    folder.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    print(f"Starting Loupe. Its log: {_relative(log)}", flush=True)
    seconds: dict[str, float] = {}
    with _timed(seconds, "start"):
        running_stack = stack(folder, sink=to_file(log))
        running = await running_stack.__aenter__()
    try:
        image, result = await upscale(running, photo.name, original, scale, seconds)
        stages = await _stages(running)
    finally:
        with _timed(seconds, "stop"):
            await running_stack.__aexit__(None, None, None)
    upscaled = RESULTS / f"upscaled{Path(str(image['upscaled_path'])).suffix}"
    await asyncio.to_thread(upscaled.write_bytes, result)
    picture = await asyncio.to_thread(before_and_after, original, result, scale)
    _report(image, seconds, stages, upscaled, picture)


async def upscale(
    running: Stack, name: str, original: bytes, scale: int, seconds: dict[str, float]
) -> tuple[dict[str, object], bytes]:
    headers = {"Authorization": f"Bearer {running.token}"}
    async with httpx2.AsyncClient(
        base_url=running.api, headers=headers, timeout=60, trust_env=False
    ) as client:
        with _timed(seconds, "upload"):
            form = {"scale_factor": str(scale)}
            answer = await client.post("/api/images/upscale", files={"image": (name, original)}, data=form)
        image = _data(answer)
        with _timed(seconds, "upscale"):
            image = await _finished(client, int(str(image["id"])))
        link = _data(await client.get(f"/api/images/{image['id']}/download"))
        with _timed(seconds, "download"):
            async with httpx2.AsyncClient(timeout=60, trust_env=False) as without_token:
                result = (await without_token.get(str(link["download_url"]))).raise_for_status().content
    return image, result


async def _finished(client: httpx2.AsyncClient, image_id: int) -> dict[str, object]:
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while time.monotonic() < deadline:
        image = _data(await client.get(f"/api/images/{image_id}"))
        if image["status"] == "completed":
            return image
        if image["status"] == "failed":
            raise DemoFailed(f"the image failed: {image['error']}")
        await asyncio.sleep(0.1)
    raise DemoFailed(f"the image was not finished after {LONGEST_WAIT_SECONDS} s")


async def _stages(running: Stack) -> dict[str, float]:
    """Return the seconds that the worker spent in each stage, from its metrics."""
    async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
        text = (await client.get(running.services.metrics["inference"])).text
    found = re.findall(r'^loupe_stage_seconds_sum\{stage="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {stage: float(value) for stage, value in found}


def before_and_after(original: bytes, result: bytes, scale: int) -> Path:
    """Write a picture of the same detail twice, and return its path.

    Left is the original, enlarged with bicubic interpolation. Right is the result.
    """
    Image.MAX_IMAGE_PIXELS = None  # Pillow must not refuse these two pictures: Loupe has checked them
    after = Image.open(io.BytesIO(result))
    before = ImageOps.exif_transpose(Image.open(io.BytesIO(original)))
    width, height = min(CROP, after.width), min(CROP, after.height)
    left, top = (after.width - width) // 2, (after.height - height) // 3
    source = (left / scale, top / scale, (left + width) / scale, (top + height) / scale)
    comparison = Image.new("RGB", (2 * width + 8, height), "white")
    enlarged = before.convert("RGB").resize((width, height), Image.Resampling.BICUBIC, box=source)
    comparison.paste(enlarged, (0, 0))
    comparison.paste(after.crop((left, top, left + width, top + height)).convert("RGB"), (width + 8, 0))
    pen = ImageDraw.Draw(comparison)
    for start, label in ((0, f"bicubic x{scale}"), (width + 8, f"Loupe x{scale}")):
        pen.rectangle((start, height - 22, start + 96, height), fill="black")
        pen.text((start + 6, height - 17), label, fill="white")
    path = RESULTS / "before-after.png"
    comparison.save(path)
    return path


def _report(
    image: dict[str, object],
    seconds: dict[str, float],
    stages: dict[str, float],
    upscaled: Path,
    picture: Path,
) -> None:
    print(
        f"\n{image['original_filename']}: {image['original_dimensions_formatted']} "
        f"({image['original_size_human']}) -> {image['upscaled_dimensions_formatted']} "
        f"({image['upscaled_size_human']})\n"
    )
    for name, value in seconds.items():
        print(f"  {name:<10} {value:6.2f} s")
        if name == "upscale":
            print(f"    waited   {float(str(image['queue_time'])):6.2f} s")
            for stage, spent in stages.items():
                print(f"    {stage:<8} {spent:6.2f} s")
    print(f"\nresult            {_relative(upscaled)}\nbefore and after  {_relative(picture)}")
    (RESULTS / "demo.json").write_text(
        json.dumps({"image": image, "seconds": seconds, "stages": stages}, indent=2)
    )


def _read(photo: Path) -> bytes:
    try:
        return photo.read_bytes()
    except OSError as error:
        raise DemoFailed(f"cannot read the photo: {error}") from error


def _data(answer: httpx2.Response) -> dict[str, object]:
    if answer.is_error:
        problem = answer.json()
        fields = [text for texts in problem.get("errors", {}).values() for text in texts]
        raise DemoFailed(" ".join(fields) or str(problem["message"]))
    return answer.json()["data"]


def _relative(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Generator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started
