"""The main job, end to end: a photo goes in by REST and comes out upscaled, with a picture of before and
after.
"""

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
"""Side of the detail shown before and after, in pixels of the result."""


class DemoFailed(Exception):
    """What went wrong, for the person who watches."""


async def run(folder: Path, photo: Path, scale: int) -> None:
    original = await asyncio.to_thread(_read, photo)
    log = folder / "demo.log"
    folder.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    print(f"starting Loupe; its log is {_shown(log)}", flush=True)
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
            async with httpx2.AsyncClient(timeout=60, trust_env=False) as anyone:
                result = (await anyone.get(str(link["download_url"]))).raise_for_status().content
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
    raise DemoFailed(f"the image did not end within {LONGEST_WAIT_SECONDS} s")


async def _stages(running: Stack) -> dict[str, float]:
    """Seconds that the worker spent in each stage, from its own metrics."""
    async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
        text = (await client.get(running.services.metrics["inference"])).text
    found = re.findall(r'^loupe_stage_seconds_sum\{stage="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {stage: float(value) for stage, value in found}


def before_and_after(original: bytes, result: bytes, scale: int) -> Path:
    """The middle of the picture: left as it came, enlarged with bicubic; right as Loupe made it."""
    Image.MAX_IMAGE_PIXELS = None  # both are our own by now
    after = Image.open(io.BytesIO(result))
    before = ImageOps.exif_transpose(Image.open(io.BytesIO(original)))
    width, height = min(CROP, after.width), min(CROP, after.height)
    left, top = (after.width - width) // 2, (after.height - height) // 3
    source = (left / scale, top / scale, (left + width) / scale, (top + height) / scale)
    sheet = Image.new("RGB", (2 * width + 8, height), "white")
    enlarged = before.convert("RGB").resize((width, height), Image.Resampling.BICUBIC, box=source)
    sheet.paste(enlarged, (0, 0))
    sheet.paste(after.crop((left, top, left + width, top + height)).convert("RGB"), (width + 8, 0))
    pen = ImageDraw.Draw(sheet)
    for start, label in ((0, f"bicubic x{scale}"), (width + 8, f"Loupe x{scale}")):
        pen.rectangle((start, height - 22, start + 96, height), fill="black")
        pen.text((start + 6, height - 17), label, fill="white")
    path = RESULTS / "before-after.png"
    sheet.save(path)
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
    print(f"\nresult            {_shown(upscaled)}\nbefore and after  {_shown(picture)}")
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
        told = answer.json()
        fields = [text for texts in told.get("errors", {}).values() for text in texts]
        raise DemoFailed(" ".join(fields) or str(told["message"]))
    return answer.json()["data"]


def _shown(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Generator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started
