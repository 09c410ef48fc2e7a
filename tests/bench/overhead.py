"""Measures the CPU time of the services for an image, with a model that costs nothing."""

import asyncio
import io
import json
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from httpx2 import AsyncClient
from PIL import Image

from inference.encoding.writer import open_writer
from inference.picture import Picture
from loupe_local import triton
from loupe_local.service_names import NAMES
from loupe_local.stack import Stack
from loupe_local.triton import MODELS
from tests.bench.measure import cpu_seconds_of_all, repeated
from tests.client import client_of, upload_image, wait_for_status
from tests.pixels import encoded

PHOTO = Path(__file__).parents[2] / "docs" / "photos" / "astronaut.png"
NULL_MODEL = Path(__file__).with_name("null_model.py")
SERVICES = tuple("inference.null" if name == "inference" else name for name in NAMES)
STORES = ("postgres", "nats", "objects")
SCALE = 4
IMAGES = 40


async def cpu_seconds_per_image(running: Stack) -> dict[str, float]:
    """Return the CPU seconds for a JPEG from 512 x 512 to 2048 x 2048, by service and by store.

    `codecs` is decoding and encoding alone, and `without_codecs` is the sum of all services minus `codecs`.
    """
    data = encoded(Image.open(PHOTO).convert("RGB"))
    codecs = await asyncio.to_thread(_codecs, data)
    supervisor = running.stores.supervisor
    async with _null_worker(running), client_of(running, running.token) as client:
        pids = {name: supervisor.pid(name) for name in (*SERVICES, *STORES)}
        await _upscaled(client, data, 8)
        before = {name: cpu_seconds_of_all([pid]) for name, pid in pids.items()}
        await _upscaled(client, data, IMAGES)
        each = {name: (cpu_seconds_of_all([pid]) - before[name]) / IMAGES for name, pid in pids.items()}
    without_codecs = sum(each[name] for name in SERVICES) - codecs
    each = {name.removesuffix(".null"): seconds for name, seconds in each.items()}
    return {**each, "codecs": codecs, "without_codecs": without_codecs}


async def _upscaled(client: AsyncClient, data: bytes, count: int) -> None:
    """Upload images and wait for them. Poll rarely, because polls cost CPU time as well."""
    ids = list[int]()

    async def upload() -> None:
        ids.append(await upload_image(client, data, scale_factor=SCALE))

    await repeated(count, 4, upload)
    for image_id in ids:
        await wait_for_status(client, image_id, "completed", every=0.5)


def _codecs(data: bytes, rounds: int = 10) -> float:
    """Return the CPU seconds of one thread that decodes and encodes, without the enlarging in between."""
    spent = 0.0
    for _ in range(rounds):
        started = time.process_time()
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        spent += time.process_time() - started
        large = pixels.repeat(SCALE, 0).repeat(SCALE, 1)
        started = time.process_time()
        picture = Picture(pixels=large, source_format="JPEG")
        writer = open_writer("JPEG", picture.header(picture.size))
        writer.write(large)
        writer.finish()
        spent += time.process_time() - started
    return spent / rounds


@asynccontextmanager
async def _null_worker(running: Stack) -> AsyncGenerator[None]:
    """Replace the worker by one whose Triton serves the null model."""
    supervisor, services = running.stores.supervisor, running.services
    await supervisor.stop("inference")
    server = triton.triton(supervisor.state, "triton.null")
    with tempfile.TemporaryDirectory(prefix="loupe-null-") as folder:
        write_repository(Path(folder))
        await supervisor.start(replace(triton.process(server, models=Path(folder)), name="triton.null"))
        overrides = {**services.overrides, "INFERENCE_TRITON_TARGET": server.grpc}
        worker = replace(services, overrides=overrides).process("inference")
        await supervisor.start(replace(worker, name="inference.null"))
        try:
            yield
        finally:
            await supervisor.stop("inference.null")
            await supervisor.stop("triton.null")
    await supervisor.restart("inference")


def write_repository(folder: Path) -> None:
    """Write the null model with the names, tensors and settings of the real networks."""
    manifest = json.loads((MODELS / "manifest.json").read_text())
    for name, model in manifest["models"].items():
        version = folder / name / "1"
        version.mkdir(parents=True)
        shutil.copyfile(NULL_MODEL, version / "model.py")
        config = (MODELS / name / "configs" / "cpu.pbtxt").read_text()
        scale = f'{{ key: "scale" value {{ string_value: "{model["description"]["scale"]}" }} }}'
        (folder / name / "configs").mkdir()
        (folder / name / "configs" / "cpu.pbtxt").write_text(f"{config}\nparameters {scale}\n")
        shutil.copyfile(MODELS / name / "config.pbtxt", folder / name / "config.pbtxt")
