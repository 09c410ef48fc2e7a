"""Runs a separate real Triton with models that repeat pixels. One is slow, so that its requests batch."""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from loupe_local import triton as triton_server
from loupe_local.log import to_file
from loupe_local.supervisor import Supervisor

CONFIG = """
name: "{name}"
backend: "python"
max_batch_size: 8
input [ {{ name: "IMAGE" data_type: TYPE_UINT8 dims: [ 3, -1, -1 ] }} ]
output [ {{ name: "UPSCALED" data_type: TYPE_UINT8 dims: [ 3, -1, -1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
dynamic_batching {{ max_queue_delay_microseconds: 1000 }}
"""
MODEL = """
import os
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep({seconds})
        images = [pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy() for request in requests]
        if any(image.max() == {deadly} == image.min() for image in images):
            os._exit(1)
        results = [image.repeat(2, 2).repeat(2, 3) for image in images]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("UPSCALED", one)]) for one in results]
"""
DEADLY = 13
"""A tile that has only this value ends the model's process."""
QUICK, SLOW = "span_x2", "span_x2_slow"
SECONDS = {QUICK: 0.0, SLOW: 0.2}


@dataclass(frozen=True)
class ScratchTriton:
    """The running server: its supervisor, addresses and folder of models."""

    supervisor: Supervisor
    server: triton_server.Triton
    models: Path

    @property
    def target(self) -> str:
        return self.server.grpc

    def process_of(self, model: str) -> psutil.Process:
        """Return the process in which Triton's Python back end runs this model."""
        children = psutil.Process(self.supervisor.pid("triton")).children(recursive=True)
        alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        [found] = [child for child in alive if any(f"/{model}/1/" in part for part in child.cmdline())]
        return found

    def kill(self, model: str) -> None:
        self.process_of(model).kill()


def a_repository(folder: Path) -> Path:
    for name, seconds in SECONDS.items():
        (folder / name / "configs").mkdir(parents=True)
        (folder / name / "1").mkdir()
        for file in ("config.pbtxt", "configs/cpu.pbtxt"):
            (folder / name / file).write_text(CONFIG.format(name=name))
        (folder / name / "1" / "model.py").write_text(MODEL.format(seconds=seconds, deadly=DEADLY))
    return folder


@contextlib.asynccontextmanager
async def scratch_triton(
    folder: Path, env: Mapping[str, str] | None = None, *, has_secret: bool = False, most_losses: int = 5
) -> AsyncGenerator[ScratchTriton]:
    models = a_repository(folder / "models")
    async with Supervisor(folder / "state", to_file(folder / "triton.log")) as supervisor:
        server = triton_server.triton(supervisor.state)
        if not has_secret:
            server = replace(server, secret="")
        process = triton_server.process(server, models=models)
        env = {**process.env, **(env or {})}
        await supervisor.start(replace(process, env=env, most_losses=most_losses))
        yield ScratchTriton(supervisor, server, models)
