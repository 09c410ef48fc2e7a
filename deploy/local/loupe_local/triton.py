"""NVIDIA Triton on the CPU. It runs in a separate virtual environment and reads its own model repository."""

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from loupe_local.component import NotReady
from loupe_local.ports import HOST
from loupe_local.probes import http_ok
from loupe_local.process import Process
from loupe_local.state import REPOSITORY, State

SCRIPT = Path(__file__).parents[1] / "triton"
VENV = Path(os.environ.get("LOUPE_TRITON_VENV") or REPOSITORY / ".loupe" / "triton")
THREADS = "LOUPE_TRITON_THREADS"
RUNTIME = "LOUPE_TRITON_RUNTIME"
TRACES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_BSP_SCHEDULE_DELAY")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  the folder of shm_open(3)
MODELS = REPOSITORY / ".loupe" / "models"
OWN_MODELS = Path(os.environ.get("LOUPE_OWN_MODELS") or REPOSITORY / ".loupe" / "own-models").resolve()
"""The operator's own models, which `loupe-admin models check` writes."""


@dataclass(frozen=True, kw_only=True)
class Triton:
    grpc_port: int
    http_port: int
    metrics_port: int
    secret: str = field(default="", repr=False)
    """Only the worker has it. Triton refuses everybody else."""

    @property
    def grpc(self) -> str:
        return f"{HOST}:{self.grpc_port}"

    @property
    def metrics(self) -> str:
        return f"http://{HOST}:{self.metrics_port}/metrics"


def triton(state: State, name: str = "triton") -> Triton:
    if not (VENV / "bin" / "python").exists():
        raise NotReady("Triton is not installed. Run `make models`.")
    grpc, http, metrics = (f"{name}.{each}" for each in ("grpc", "http", "metrics"))
    ports = state.ports(grpc, http, metrics)
    return Triton(
        grpc_port=ports[grpc],
        http_port=ports[http],
        metrics_port=ports[metrics],
        secret=state.secret("triton"),
    )


def model_names(models: Path = MODELS) -> list[str]:
    return sorted(path.parent.name for path in models.glob("*/config.pbtxt"))


def process(server: Triton, venv: Path = VENV, models: Path = MODELS, own: Path = OWN_MODELS) -> Process:
    ports = (server.grpc_port, server.http_port, server.metrics_port)
    return Process(
        name="triton",
        argv=(str(SCRIPT), str(models), *map(str, ports)),
        env={
            "LOUPE_TRITON_VENV": str(venv),
            "LOUPE_TRITON_SECRET": server.secret,
            "LOUPE_TRITON_OWN_MODELS": str(own),
        }
        | {name: os.environ[name] for name in (THREADS, RUNTIME, *TRACES) if name in os.environ},
        ready=http_ok(HOST, server.http_port, "/v2/health/ready"),  # answers only after every model is loaded
        ready_seconds=120,
        stop_seconds=20,
        clean_up=partial(_remove_shared_memory, server.grpc_port),
        count_losses=count_dead_models,
    )


def count_dead_models(pid: int) -> int:
    """Return how many processes of models have died inside this running Triton.

    Triton never collects them. Each leaves some 36 threads, some descriptors and a region of shared memory,
    also if the model is loaded again. After one death Triton waits for it in vain before it stops.
    """
    try:
        children = psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return 0
    return sum(1 for child in children if _is_zombie(child))


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _remove_shared_memory(grpc_port: int) -> None:
    """Remove the shared memory of model processes that died. Each has one megabyte."""
    for region in SHARED_MEMORY.glob(f"loupe-triton-{grpc_port}-*"):
        region.unlink(missing_ok=True)
