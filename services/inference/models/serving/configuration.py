"""Fills the templates of a network's Triton configurations, one for GPUs and one for CPUs."""

import json
from dataclasses import dataclass
from importlib import resources
from string import Template

from serving.shapes import Shapes

INDENT = "  "
CPU_WARM_UP = """
  {{
    name: "tile" batch_size: 1 count: 1
    inputs {{ key: "IMAGE" value {{ data_type: {} dims: [ 3, 64, 64 ] random_data: true }} }}
  }}
"""


@dataclass(frozen=True)
class ServedNetwork:
    name: str
    is_float: bool
    """Whether it takes and returns float32 instead of uint8."""
    has_uncertainty: bool
    """Whether it returns `DOUBT`, the map of pixels where it failed."""
    description: str
    """Facts that the worker needs about the network, as JSON. Triton returns them with the configuration."""
    pooled: tuple[int, ...] = ()
    """The channels of each layer that takes the mean over the whole picture."""
    is_lazy: bool = False
    """Whether a CPU loads it when it is first used."""

    @property
    def context_length(self) -> int:
        """The length of `CONTEXT`: how many means follow, four margins, and the means."""
        return 5 + sum(self.pooled) if self.pooled else 0

    @property
    def pixel_type(self) -> str:
        return "TYPE_FP32" if self.is_float else "TYPE_UINT8"


def outputs_of(network: ServedNetwork) -> str:
    upscaled = f'{{ name: "UPSCALED" data_type: {network.pixel_type} dims: [ 3, -1, -1 ] }}'
    uncertainty = '{ name: "DOUBT" data_type: TYPE_UINT8 dims: [ 1, -1, -1 ] }'
    pooled = [
        f'{{ name: "POOL{number}" data_type: TYPE_FP32 dims: [ {channels + 1} ] }}'
        for number, channels in enumerate(network.pooled, 1)
    ]
    return f",\n{INDENT}".join([upscaled, *([uncertainty] if network.has_uncertainty else []), *pooled])


def inputs_of(network: ServedNetwork) -> str:
    image = f'{{ name: "IMAGE" data_type: {network.pixel_type} dims: [ 3, -1, -1 ] }}'
    context = f'{{ name: "CONTEXT" data_type: TYPE_FP32 dims: [ {network.context_length} ] }}'
    return f",\n{INDENT}".join([image, context] if network.pooled else [image])


def fill(template: str, network: ServedNetwork, **values: object) -> str:
    # read as a resource, because this may run out of an archive
    text = resources.files("serving").joinpath(template).read_text()
    return Template(text).substitute(
        name=network.name,
        pixels=network.pixel_type,
        inputs=inputs_of(network),
        outputs=outputs_of(network),
        is_lazy=str(network.is_lazy).lower(),
        description=json.dumps(network.description),  # quoted and escaped
        **values,
    )


def for_cpu(network: ServedNetwork) -> str:
    return fill(
        "cpu.pbtxt", network, warm_ups="" if network.is_lazy else CPU_WARM_UP.format(network.pixel_type)
    )


def for_gpu(network: ServedNetwork, shapes: Shapes, instances: int = 1) -> str:
    """Return the configuration for this number of instances, each of which has its own memory on the GPU.

    A second instance hides the time of copies behind computing.
    """
    return fill(
        "gpu.pbtxt",
        network,
        batch=shapes.batch,
        instances=instances,
        preferred=", ".join(str(batch) for batch in shapes.batches if batch > 1),
        graphs=graphs_of(shapes),
        warm_ups=warm_ups_of(network, shapes),
    )


def graphs_of(shapes: Shapes) -> str:
    if not shapes.graphs:
        return "graphs: false"
    specs = (
        f'{{ batch_size: {batch} input {{ key: "IMAGE" value {{ dim: [ 3, {tile}, {tile} ] }} }} }}'
        for tile in shapes.tiles
        for batch in shapes.batches
    )
    start, between, end = "graph_spec [\n" + 3 * INDENT, ",\n" + 3 * INDENT, "\n" + 2 * INDENT + "]"
    return f"graphs: true\n{2 * INDENT}{start}{between.join(specs)}{end}"


def warm_ups_of(network: ServedNetwork, shapes: Shapes) -> str:
    """Return one warm-up for each shape, because a shape's first request is slow.

    Triton runs them before it calls the model ready.
    """
    return f",\n{INDENT}".join(
        f'{{ name: "{batch} of {tile}" batch_size: {batch} count: 2 inputs {{ key: "IMAGE" value '
        f"{{ data_type: {network.pixel_type} dims: [ 3, {tile}, {tile} ] random_data: true }} }}"
        f"{context_of_warm_up(network)} }}"
        for tile in shapes.tiles
        for batch in shapes.batches
    )


def context_of_warm_up(network: ServedNetwork) -> str:
    if not network.pooled:
        return ""
    shape = f"data_type: TYPE_FP32 dims: [ {network.context_length} ] zero_data: true"
    return f' inputs {{ key: "CONTEXT" value {{ {shape} }} }}'
