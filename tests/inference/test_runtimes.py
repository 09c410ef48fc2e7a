"""On a CPU the real Triton runs a model in the faster runtime, whose results are the same."""

import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from loupe_local import triton as triton_server
from loupe_local.log import to_file
from loupe_local.supervisor import Supervisor
from tests.inference.conftest import triton_at

LIBRARIES = {"openvino": "libopenvino", "onnxruntime": "onnxruntime_pybind11_state"}
MODELS = ("span_x2", "waifu2x_photo_x2_float")


@dataclass
class Run:
    """The answers of one run of Triton."""

    answers: dict[str, Any]
    runtimes: set[str]
    """The runtimes that the models' processes have loaded."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    without_notes = shutil.ignore_patterns("runtime.json", "__pycache__")
    for model in MODELS:
        shutil.copytree(triton_server.MODELS / model, folder / model, ignore=without_notes)
    return folder


@asynccontextmanager
async def triton_with(repository: Path, runtime: str) -> AsyncGenerator[tuple[str, int]]:
    """Run Triton with this runtime. Yield its gRPC address and its process id."""
    folder, home = repository.parent / f"triton-{runtime}", repository.parent / "home"
    for each in (folder, home):
        each.mkdir(exist_ok=True)
    async with Supervisor(folder, sink=to_file(folder / "log")) as supervisor:
        server = replace(triton_server.triton(supervisor.state), secret="")
        process = triton_server.process(server, models=repository)
        env = {**process.env, "LOUPE_TRITON_RUNTIME": runtime, "HOME": str(home)}
        await supervisor.start(replace(process, env=env))
        yield server.grpc, supervisor.pid("triton")


async def run(repository: Path, runtime: str, photo: Path) -> Run:
    with Image.open(photo) as opened:
        pixels = np.asarray(opened.convert("RGB").crop((60, 60, 188, 156)))
    tile: Any = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
    async with triton_with(repository, runtime) as (target, pid), triton_at(target, seconds=60) as client:
        tiles = {model: tile if model == "span_x2" else tile.astype(np.float32) / 255 for model in MODELS}
        answers = {model: await client.infer(model, tiles[model]) for model in MODELS}
        return Run(answers, runtimes_in(pid))


def runtimes_in(pid: int) -> set[str]:
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    loaded = "\n".join(Path(f"/proc/{process.pid}/maps").read_text() for process in processes)
    return {name for name, library in LIBRARIES.items() if library in loaded}


async def test_both_runtimes_give_the_same_results(repository: Path, photos: Path) -> None:
    openvino = await run(repository, "openvino", photos / "coffee.png")
    onnxruntime = await run(repository, "onnxruntime", photos / "coffee.png")

    assert (openvino.runtimes, onnxruntime.runtimes) == ({"openvino"}, {"onnxruntime"})
    one, other = (run.answers["span_x2"].upscaled.astype(np.int16) for run in (openvino, onnxruntime))
    assert np.abs(one - other).max() <= 1
    assert np.mean(one != other) <= 1e-3
    one, other = (run.answers["waifu2x_photo_x2_float"].upscaled for run in (openvino, onnxruntime))
    assert np.abs(one - other).max() <= 1 / 65535


async def test_no_runtime_stores_reports_for_its_maker(repository: Path, photos: Path) -> None:
    """Both runtimes would store their reports in the home directory until they are sent."""
    for runtime in LIBRARIES:
        await run(repository, runtime, photos / "coffee.png")

    assert list((repository.parent / "home").rglob("*")) == []


async def test_the_faster_runtime_is_measured_once_and_noted(repository: Path, photos: Path) -> None:
    note = repository / "span_x2" / "1" / "runtime.json"

    await run(repository, "auto", photos / "coffee.png")

    first = note.read_text()
    noted = json.loads(first)
    assert {measured.split()[0] for measured in noted["seconds"]} == set(LIBRARIES)
    assert all(noted["good_enough"].values())
    again = await run(repository, "auto", photos / "coffee.png")
    chosen = {
        json.loads((repository / name / "1" / "runtime.json").read_text())["runtime"] for name in MODELS
    }
    assert note.read_text() == first
    assert again.runtimes == chosen


async def test_a_note_for_another_graph_is_not_used(repository: Path, photos: Path) -> None:
    note = repository / "span_x2" / "1" / "runtime.json"
    await run(repository, "auto", photos / "coffee.png")
    noted = json.loads(note.read_text())
    stale = {**noted, "runtime": "stale", "holds_for": {**noted["holds_for"], "graph": "another"}}
    note.write_text(json.dumps(stale))

    await run(repository, "auto", photos / "coffee.png")

    assert json.loads(note.read_text())["holds_for"] == noted["holds_for"]
