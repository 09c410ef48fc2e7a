"""The model repository's configurations: Triton can read them, and a GPU serves what the CPU serves."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from builder.registry import MODELS
from inference.networks.network import Answer
from inference.networks.registry import ENHANCING, served
from inference.networks.registry import MODELS as REGISTERED
from inference.picture import Picture
from inference.pipeline import RenderSpec, render
from inference.tiling.tiles import Tensor, Tiling
from loupe_local.triton import MODELS as REPOSITORY
from serving import configuration
from serving.configuration import Served
from serving.engines import profile_of
from serving.shapes import shapes_of

ALL = [Served(model.name, model.floats, model.guarded) for model in MODELS]
each_model = pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)


def parsed(text: str) -> Any:
    config: Any = model_config_pb2.ModelConfig()  # pyright: ignore[reportAttributeAccessIssue]  made at run time
    return text_format.Parse(text, config)


def gpu_of(model: Served, batch: int | None = None) -> Any:
    shapes = shapes_of(model.name)
    return parsed(configuration.for_gpu(model, replace(shapes, batch=batch or shapes.batch)))


def dims_of(shape: str) -> list[int]:
    return [int(part) for part in shape.removeprefix("IMAGE:").split("x")]


def requests_of(config: Any) -> Iterator[tuple[int, list[int]]]:
    """Every batch and shape that Triton is told to prepare for."""
    for spec in config.optimization.cuda.graph_spec:
        yield spec.batch_size, list(spec.input["IMAGE"].dim)
    for warm_up in config.model_warmup:
        yield warm_up.batch_size, list(warm_up.inputs["IMAGE"].dims)


def test_every_model_that_the_worker_asks_for_is_there() -> None:
    assert served() <= {model.name for model in ALL}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
async def test_no_tile_is_larger_than_the_engine_takes(dtype: type) -> None:
    largest = dict[str, int]()

    async def doubting(name: str, tile: Tensor) -> Answer:
        largest[name] = max(largest.get(name, 0), *tile.shape[2:])
        step = 4 if "x4" in name else 2
        doubt = np.full((1, 1, *tile.shape[2:]), 255, np.uint8) if "span" in name else None
        return Answer(tile.repeat(step, 2).repeat(step, 3), doubt)

    picture = Picture(np.zeros((700, 900, 3), dtype), "PNG")
    for net in (net for model in (*REGISTERED.values(), *ENHANCING) for net in model.nets):
        wish = RenderSpec(
            (900 * net.scale, 700 * net.scale), "JPEG", (net,), Tiling(in_flight=1, is_fixed=True), quality=1
        )
        await render(picture, wish, doubting)

    assert len(largest) == 5
    assert all(most <= shapes_of(name).largest for name, most in largest.items())


def test_what_is_built_is_what_would_be_generated_now() -> None:
    built = json.loads((REPOSITORY / "manifest.json").read_text())["models"]

    for model in ALL:
        if model.name in built:
            folder = REPOSITORY / model.name
            expected = configuration.for_gpu(model, shapes_of(model.name))
            assert (folder / "config.pbtxt").read_text() == expected
            assert (folder / "configs" / "cpu.pbtxt").read_text() == configuration.for_cpu(model)


@each_model
def test_the_gpu_serves_the_same_tensors_as_the_cpu(model: Served) -> None:
    gpu, cpu = gpu_of(model), parsed(configuration.for_cpu(model))

    assert (gpu.name, cpu.name) == (model.name, model.name)
    assert (gpu.platform, cpu.backend) == ("tensorrt_plan", "python")
    assert list(gpu.input) == list(cpu.input)
    assert list(gpu.output) == list(cpu.output)


@each_model
def test_no_queue_policy_disables_prefetching(model: Served) -> None:
    """With one, a request in a hundred waits half a second."""
    for config in (gpu_of(model), parsed(configuration.for_cpu(model))):
        assert not config.dynamic_batching.HasField("default_queue_policy")
        assert config.dynamic_batching.priority_levels == 0


@each_model
@pytest.mark.parametrize("batch", [None, 4, 2, 1])
def test_what_a_gpu_prepares_for_lies_within_its_engine(model: Served, batch: int | None) -> None:
    config = gpu_of(model, batch)

    largest = dims_of(profile_of(replace(shapes_of(model.name), batch=config.max_batch_size))["maxShapes"])
    batching = config.dynamic_batching
    assert config.max_batch_size == largest[0]
    assert all(1 < preferred <= largest[0] for preferred in batching.preferred_batch_size)
    assert config.model_warmup
    for count, dims in requests_of(config):
        assert 1 <= count <= largest[0]
        assert dims[0] == 3
        assert all(side <= most for side, most in zip(dims[1:], largest[2:], strict=True))


@each_model
def test_the_smallest_picture_fits_the_engine(model: Served) -> None:
    profile = profile_of(shapes_of(model.name))

    smallest, usual, largest = (dims_of(profile[name]) for name in ("minShapes", "optShapes", "maxShapes"))
    assert smallest == [1, 3, 1, 1]
    assert all(low <= middle <= high for low, middle, high in zip(smallest, usual, largest, strict=True))


@each_model
def test_warm_up_has_the_type_that_the_model_takes(model: Served) -> None:
    for config in (gpu_of(model), parsed(configuration.for_cpu(model))):
        kinds = {warm_up.inputs["IMAGE"].data_type for warm_up in config.model_warmup}

        assert kinds == {config.input[0].data_type}


def test_cuda_graphs_are_captured_for_every_tile_alone_and_full() -> None:
    model = Served("waifu2x_photo_x2", floats=False, guarded=False)

    captured = {(count, dims[1]) for count, dims in requests_of(gpu_of(model))}

    assert captured >= {(count, side) for count in (1, 8) for side in (256, 512)}


def test_instances_are_a_setting() -> None:
    model = Served("span_x4", floats=False, guarded=True)

    config = parsed(configuration.for_gpu(model, shapes_of("span_x4"), instances=3))

    assert config.instance_group[0].count == 3
