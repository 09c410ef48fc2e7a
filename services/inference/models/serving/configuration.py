"""A model's configurations for Triton: one template for GPUs and one for CPUs, filled for each model."""

from dataclasses import dataclass
from importlib import resources
from string import Template

from serving.shapes import Shapes

INDENT = "  "


@dataclass(frozen=True)
class Served:
    name: str
    floats: bool
    """Whether it takes and gives float32 instead of uint8."""
    guarded: bool
    """Whether it tells its doubt."""

    @property
    def pixels(self) -> str:
        return "TYPE_FP32" if self.floats else "TYPE_UINT8"


def outputs_of(model: Served) -> str:
    upscaled = f'{{ name: "UPSCALED" data_type: {model.pixels} dims: [ 3, -1, -1 ] }}'
    doubt = '{ name: "DOUBT" data_type: TYPE_UINT8 dims: [ 1, -1, -1 ] }'
    return f",\n{INDENT}".join([upscaled, doubt] if model.guarded else [upscaled])


def filled(template: str, **values: object) -> str:
    # not by its path: this may run out of an archive
    return Template(resources.files("serving").joinpath(template).read_text()).substitute(values)


def for_cpu(model: Served) -> str:
    return filled("cpu.pbtxt", name=model.name, pixels=model.pixels, outputs=outputs_of(model))


def for_gpu(model: Served, shapes: Shapes, instances: int = 1) -> str:
    """Each instance holds its own memory on the GPU; a second one hides copies behind computing."""
    return filled(
        "gpu.pbtxt",
        name=model.name,
        pixels=model.pixels,
        outputs=outputs_of(model),
        batch=shapes.batch,
        instances=instances,
        preferred=", ".join(str(batch) for batch in shapes.batches if batch > 1),
        graphs=graphs_of(shapes),
        warm_ups=warm_ups_of(model, shapes),
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


def warm_ups_of(model: Served, shapes: Shapes) -> str:
    """The first request of a shape is slow, and these come before the model counts as ready."""
    return f",\n{INDENT}".join(
        f'{{ name: "{batch} of {tile}" batch_size: {batch} count: 2 inputs {{ key: "IMAGE" value '
        f"{{ data_type: {model.pixels} dims: [ 3, {tile}, {tile} ] random_data: true }} }} }}"
        for tile in shapes.tiles
        for batch in shapes.batches
    )
