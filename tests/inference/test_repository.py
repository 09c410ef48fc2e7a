"""The model repository's configurations: Triton can read them, and a GPU serves what the CPU serves."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from inference.registry import served

REPOSITORY = Path(__file__).parents[2] / "services" / "inference" / "models" / "repository"
MODELS = sorted(path.name for path in REPOSITORY.iterdir())


def config_of(model: str, file: str) -> Any:
    config: Any = model_config_pb2.ModelConfig()  # pyright: ignore[reportAttributeAccessIssue]  made at run time
    return text_format.Parse((REPOSITORY / model / file).read_text(), config)


def test_every_model_that_the_worker_asks_for_is_there() -> None:
    assert {name.removesuffix("_float") for name in served()} <= set(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_the_gpu_serves_the_same_tensors_as_the_cpu(model: str) -> None:
    gpu, cpu = config_of(model, "config.pbtxt"), config_of(model, "configs/cpu.pbtxt")

    assert (gpu.name, cpu.name) == (model, model)
    assert (gpu.platform, cpu.backend) == ("tensorrt_plan", "python")
    assert list(gpu.input) == list(cpu.input)
    assert list(gpu.output) == list(cpu.output)


@pytest.mark.parametrize("model", MODELS)
def test_no_queue_policy_disables_prefetching(model: str) -> None:
    """With one, a request in a hundred waits half a second."""
    for file in ("config.pbtxt", "configs/cpu.pbtxt"):
        batching = config_of(model, file).dynamic_batching

        assert not batching.HasField("default_queue_policy")
        assert batching.priority_levels == 0
