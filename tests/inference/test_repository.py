"""Triton can read the repository's configurations, and they describe the same tensors on GPU and CPU."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from builder import repository
from builder.registry import NETWORKS
from inference.networks.network import Answer, Tensor
from inference.picture import Picture
from inference.pipeline import render
from inference.render_spec import RenderSpec
from inference.tiling.tiles import Tiling
from loupe_local.triton import MODELS as REPOSITORY
from serving import configuration
from serving.configuration import ServedNetwork
from serving.engines import profile_of
from serving.shapes import shapes_of
from tests.inference.built_models import ALL_MODELS

ALL = [repository.served(network) for network in NETWORKS]
each_network = pytest.mark.parametrize("network", ALL, ids=lambda network: network.name)


def parsed(text: str) -> Any:
    config: Any = model_config_pb2.ModelConfig()  # pyright: ignore[reportAttributeAccessIssue]  made at run time
    return text_format.Parse(text, config)


def gpu_of(network: ServedNetwork, batch: int | None = None) -> Any:
    shapes = shapes_of(network.name)
    return parsed(configuration.for_gpu(network, replace(shapes, batch=batch or shapes.batch)))


def dims_of(shape: str) -> list[int]:
    return [int(part) for part in shape.removeprefix("IMAGE:").split(",")[0].split("x")]


def requests_of(config: Any) -> Iterator[tuple[int, list[int]]]:
    """Yield the batch size and shape of everything that Triton prepares for."""
    for spec in config.optimization.cuda.graph_spec:
        yield spec.batch_size, list(spec.input["IMAGE"].dim)
    for warm_up in config.model_warmup:
        yield warm_up.batch_size, list(warm_up.inputs["IMAGE"].dims)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
async def test_no_tile_is_larger_than_the_engine_takes(dtype: type) -> None:
    largest = dict[str, int]()

    async def uncertain(name: str, tile: Tensor, _: Any = None, output: str = "UPSCALED") -> Answer:
        largest[name] = max(largest.get(name, 0), *tile.shape[2:])
        if output.startswith("POOL"):
            return Answer(np.ones((1, (64, 128, 128, 64)[int(output[-1]) - 1] + 1), np.float32))
        step = 4 if "x4" in name else 2
        uncertainty = np.full((1, 1, *tile.shape[2:]), 255, np.uint8) if "span" in name else None
        return Answer(tile.repeat(step, 2).repeat(step, 3), uncertainty)

    pixels = np.zeros((700, 900, 3), dtype)
    pixels[0, 0, 0] = 1  # one of a single colour needs no network
    picture = Picture(pixels, "PNG")
    for network in (network for model in ALL_MODELS for network in model.networks):
        spec = RenderSpec(
            (900 * network.scale, 700 * network.scale),
            "JPEG",
            (network,),
            Tiling(in_flight=1, is_fixed=True),
            quality=1,
        )
        await render(picture, spec, uncertain)

    assert len(largest) >= 6
    assert all(most <= shapes_of(name).largest for name, most in largest.items())


def test_the_built_configurations_are_current() -> None:
    built = json.loads((REPOSITORY / "manifest.json").read_text())["models"]

    for network in ALL:
        if network.name in built:
            folder = REPOSITORY / network.name
            expected = configuration.for_gpu(network, shapes_of(network.name))
            assert (folder / "config.pbtxt").read_text() == expected
            assert (folder / "configs" / "cpu.pbtxt").read_text() == configuration.for_cpu(network)


@each_network
def test_the_gpu_serves_the_same_tensors_as_the_cpu(network: ServedNetwork) -> None:
    gpu, cpu = gpu_of(network), parsed(configuration.for_cpu(network))

    assert (gpu.name, cpu.name) == (network.name, network.name)
    assert (gpu.platform, cpu.backend) == ("tensorrt_plan", "python")
    assert list(gpu.input) == list(cpu.input)
    assert list(gpu.output) == [output for output in cpu.output if output.name != "PRECISION"]


@each_network
def test_no_queue_policy_disables_prefetching(network: ServedNetwork) -> None:
    """With a queue policy some requests wait half a second."""
    for config in (gpu_of(network), parsed(configuration.for_cpu(network))):
        assert not config.dynamic_batching.HasField("default_queue_policy")
        assert config.dynamic_batching.priority_levels == 0


@each_network
@pytest.mark.parametrize("batch", [None, 4, 2, 1])
def test_everything_that_a_gpu_prepares_for_fits_its_engine(
    network: ServedNetwork, batch: int | None
) -> None:
    config = gpu_of(network, batch)

    largest = dims_of(profile_of(replace(shapes_of(network.name), batch=config.max_batch_size))["maxShapes"])
    batching = config.dynamic_batching
    assert config.max_batch_size == largest[0]
    assert all(1 < preferred <= largest[0] for preferred in batching.preferred_batch_size)
    assert config.model_warmup
    for count, dims in requests_of(config):
        assert 1 <= count <= largest[0]
        assert dims[0] == 3
        assert all(side <= most for side, most in zip(dims[1:], largest[2:], strict=True))


@each_network
def test_the_smallest_picture_fits_the_engine(network: ServedNetwork) -> None:
    profile = profile_of(shapes_of(network.name), network.context_length)

    smallest, usual, largest = (dims_of(profile[name]) for name in ("minShapes", "optShapes", "maxShapes"))
    assert smallest == ([1, 3, 2, 2] if network.pooled else [1, 3, 1, 1])
    assert all(low <= middle <= high for low, middle, high in zip(smallest, usual, largest, strict=True))


@each_network
def test_warm_up_has_the_type_that_the_model_takes(network: ServedNetwork) -> None:
    for config in (gpu_of(network), parsed(configuration.for_cpu(network))):
        kinds = {warm_up.inputs["IMAGE"].data_type for warm_up in config.model_warmup}

        assert kinds <= {config.input[0].data_type}


def test_cuda_graphs_are_captured_for_every_tile_in_batches_of_one_and_the_largest() -> None:
    [network] = [each for each in ALL if each.name == "waifu2x_photo_x2"]

    captured = {(count, dims[1]) for count, dims in requests_of(gpu_of(network))}

    assert captured >= {(count, side) for count in (1, 8) for side in (256, 512)}


def test_the_number_of_instances_can_be_set() -> None:
    [network] = [each for each in ALL if each.name == "span_x4"]

    config = parsed(configuration.for_gpu(network, shapes_of("span_x4"), instances=3))

    assert config.instance_group[0].count == 3
