"""Fills the templates of a network's Triton configurations, one for GPUs and one for CPUs."""

import json
from dataclasses import dataclass
from importlib import resources
from string import Template

from serving.shapes import Shapes

INDENT = "  "


@dataclass(frozen=True)
class ServedNetwork:
    name: str
    is_float: bool
    """Whether it takes and returns float32 instead of uint8."""
    has_uncertainty: bool
    """Whether it returns `DOUBT`, the map of pixels where it failed."""
    description: str
    """Facts that the worker needs about the network, as JSON. Triton returns them with the configuration."""

    @property
    def pixel_type(self) -> str:
        return "TYPE_FP32" if self.is_float else "TYPE_UINT8"


def outputs_of(network: ServedNetwork) -> str:
    upscaled = f'{{ name: "UPSCALED" data_type: {network.pixel_type} dims: [ 3, -1, -1 ] }}'
    uncertainty = '{ name: "DOUBT" data_type: TYPE_UINT8 dims: [ 1, -1, -1 ] }'
    return f",\n{INDENT}".join([upscaled, uncertainty] if network.has_uncertainty else [upscaled])


def fill(template: str, network: ServedNetwork, **values: object) -> str:
    # read as a resource, because this may run out of an archive
    text = resources.files("serving").joinpath(template).read_text()
    return Template(text).substitute(
        name=network.name,
        pixels=network.pixel_type,
        outputs=outputs_of(network),
        description=json.dumps(network.description),  # quoted and escaped
        **values,
    )


def for_cpu(network: ServedNetwork) -> str:
    return fill("cpu.pbtxt", network)


def for_gpu(network: ServedNetwork, shapes: Shapes, instances: int = 1) -> str:
    """Return the configuration for so many instances, each of which has its own memory on the GPU.

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
        f"{{ data_type: {network.pixel_type} dims: [ 3, {tile}, {tile} ] random_data: true }} }} }}"
        for tile in shapes.tiles
        for batch in shapes.batches
    )
