"""Writes layers that take the mean over a whole picture, so that tiles can share the picture's mean.

A tile's own mean differs from the picture's, and so would its colours: neighbouring tiles of waifu2x's cunet
differ by up to 45 levels. The graph therefore has a second input, `CONTEXT`, and an output for each such
layer, `POOL1`, `POOL2`, and so on. The worker collects the sums of all tiles one layer after the other, and
then gives the picture's means to each tile. The result is that of the whole picture.

`CONTEXT` is float32 `[N, 5 + channels]`: the number of layers whose means follow, four margins (top, left,
bottom, right), and the means of all layers. Pixels within a margin belong to a neighbouring tile, and are
left out of the sums. A margin below `-padding` leaves nothing out, as at the picture's own border. `POOL…` is
float32 `[N, channels + 1]`: the sums, and the number of pixels.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper

from builder.errors import Refused
from builder.graph import Graph
from builder.layers import Layer

CONTEXT = "CONTEXT"
MARGINS = 4
FIRST_MEAN = 1 + MARGINS


@dataclass(frozen=True)
class Sampling:
    """The places of a layer's pixels, in pixels of the network's input."""

    step: float
    first: float


@dataclass(frozen=True)
class Pooled:
    """A layer that takes the mean of another one over the whole picture."""

    name: str
    channels: int
    sampling: Sampling


def samplings(layers: Iterable[Layer], padding: int) -> dict[str, Sampling]:
    """Return where the pixels of each tensor lie. Only layers without padding of their own are known."""
    known: dict[str, Sampling] = {}
    for layer in layers:
        if layer.kind == "Input":
            found = Sampling(1.0, float(-padding))
        else:
            found = moved(layer, known[layer.inputs[0]])
        known |= dict.fromkeys(layer.outputs, found)
    return known


def moved(layer: Layer, source: Sampling) -> Sampling:
    middle = (layer.integer(1) - 1) / 2
    if layer.kind == "Convolution":
        return Sampling(source.step * layer.integer(3, 1), source.first + source.step * middle)
    if layer.kind == "Deconvolution":
        step = source.step / layer.integer(3, 1)
        return Sampling(step, source.first - step * (middle - layer.integer(4)))
    if layer.kind == "Crop":
        return Sampling(source.step, source.first + source.step * layer.integer(0))
    return source


def pooled_layers(layers: list[Layer], padding: int) -> list[Pooled]:
    """Return the layers that take a mean over the whole picture, in the order in which they run."""
    found = [layer for layer in layers if layer.kind == "Pooling"]
    if not found:
        return []
    places, channels = samplings(layers, padding), channels_of(layers)
    for layer in found:
        if layer.numbers != {0: 1, 4: 1}:
            raise Refused(f"{layer.name}: only the mean over the whole picture is supported")
    return [Pooled(layer.name, channels[layer.inputs[0]], places[layer.inputs[0]]) for layer in found]


def channels_of(layers: Iterable[Layer]) -> dict[str, int]:
    channels: dict[str, int] = {}
    for layer in layers:
        weight = layer.weights.get("bias")
        count = len(weight) if weight is not None else channels.get(layer.inputs[0], 0) if layer.inputs else 3
        channels |= dict.fromkeys(layer.outputs, count)
    return channels


class PoolingWriter:
    """Writes the pooling layers of one network."""

    def __init__(self, pooled: list[Pooled]) -> None:
        self._pooled = pooled
        self._written = 0

    @property
    def context_length(self) -> int:
        return FIRST_MEAN + sum(pooled.channels for pooled in self._pooled)

    def inputs(self) -> list[ValueInfoProto]:
        shape = ["batch", self.context_length]
        return [helper.make_tensor_value_info(CONTEXT, TensorProto.FLOAT, shape)]

    def outputs(self) -> list[ValueInfoProto]:
        return [
            helper.make_tensor_value_info(output_of(index), TensorProto.FLOAT, ["batch", each.channels + 1])
            for index, each in enumerate(self._pooled)
        ]

    def write(self, graph: Graph, layer: Layer) -> None:
        """Write the layer's own mean of the tile as an output, and take the picture's where it is given."""
        index, name, source = self._written, layer.name, layer.inputs[0]
        pooled = self._pooled[index]
        self._written += 1
        rows, columns = self._mask(graph, pooled, source, 2), self._mask(graph, pooled, source, 3)
        across = graph.add("MatMul", [source, columns], f"{name}/across")
        total = graph.add("MatMul", [rows, across], f"{name}/total")
        ones = graph.integers(f"{name}/ones", [2, 3])
        counts = [
            graph.add("ReduceSum", [mask, ones], f"{mask}/count", keepdims=1) for mask in (rows, columns)
        ]
        count = graph.add("Mul", counts, f"{name}/count")
        both = graph.add("Concat", [total, count], f"{name}/both", axis=1)
        graph.add("Squeeze", [both, ones], output_of(index))
        least = graph.constant(f"{name}/least", np.float32(1))
        mean = graph.add("Div", [total, graph.add("Max", [count, least], f"{name}/some")], f"{name}/mean")
        start = FIRST_MEAN + sum(each.channels for each in self._pooled[:index])
        given = self._part(graph, f"{name}/given", start, start + pooled.channels)
        known = self._part(graph, f"{name}/known", 0, 1)
        is_given = graph.add(
            "Greater", [known, graph.constant(f"{name}/index", np.float32(index + 0.5))], f"{name}/is_given"
        )
        graph.add("Where", [is_given, given, mean], layer.outputs[0])

    def _mask(self, graph: Graph, pooled: Pooled, source: str, axis: int) -> str:
        """Write 1 for each row or column that belongs to this tile, and 0 for the others.

        Rows have the shape `[N, 1, 1, rows]`, columns `[N, 1, columns, 1]`, as factors of a matrix product.
        """
        name = f"{pooled.name}/{axis}"
        shape = graph.add("Shape", [source], f"{name}/shape")
        size = graph.add("Gather", [shape, graph.constant(f"{name}/axis", np.int64(axis))], f"{name}/size")
        zero, one = graph.constant(f"{name}/zero", np.int64(0)), graph.constant(f"{name}/one", np.int64(1))
        index = graph.add("Range", [zero, size, one], f"{name}/range")
        forward = graph.add("Cast", [index], f"{name}/forward", to=TensorProto.FLOAT)
        last = graph.add("Cast", [graph.add("Sub", [size, one], f"{name}/last")], f"{name}/end", to=1)
        backward = graph.add("Sub", [last, forward], f"{name}/backward")
        step = graph.constant(f"{name}/step", np.float32(pooled.sampling.step))
        first = graph.constant(f"{name}/first", np.float32(pooled.sampling.first))
        near, far = (
            graph.add("Add", [graph.add("Mul", [way, step], f"{way}/scaled"), first], f"{way}/place")
            for way in (forward, backward)
        )
        margins = [self._part(graph, f"{name}/margin{side}", side, side + 1) for side in (axis - 1, axis + 1)]
        # a pixel between the last one of a tile and the first one of the next belongs to the tile above
        before = graph.add(
            "Sub", [margins[1], graph.constant(f"{name}/pixel", np.float32(1))], f"{name}/before"
        )
        shapes = graph.constant(
            f"{name}/factor", np.array([1, 1, 1, -1] if axis == 2 else [1, 1, -1, 1], np.int64)
        )
        near, far = (graph.add("Reshape", [way, shapes], f"{way}/factor") for way in (near, far))
        inside = [
            graph.add("GreaterOrEqual", [near, margins[0]], f"{name}/after"),
            graph.add("Greater", [far, before], f"{name}/until"),
        ]
        mask = graph.add("And", inside, f"{name}/inside")
        return graph.add("Cast", [mask], f"{name}/mask", to=TensorProto.FLOAT)

    def _part(self, graph: Graph, name: str, start: int, end: int) -> str:
        """Write some columns of `CONTEXT` with the shape `[N, columns, 1, 1]`."""
        starts, ends = graph.integers(f"{name}/start", [start]), graph.integers(f"{name}/stop", [end])
        part = graph.add(
            "Slice", [CONTEXT, starts, ends, graph.integers(f"{name}/axis", [1])], f"{name}/part"
        )
        return graph.add("Unsqueeze", [part, graph.integers(f"{name}/axes", [2, 3])], name)


def output_of(index: int) -> str:
    """Return the name of the output of a pooling layer, counted from 0."""
    return f"POOL{index + 1}"
