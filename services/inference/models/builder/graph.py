"""Writes ncnn layers as ONNX nodes.

Weights of half precision are stored in half precision, which is exact and takes half the size. The graph
casts them, unless the network itself computes in half precision.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

from builder.errors import Refused
from builder.layers import Layer


class Graph:
    """The nodes and constants written so far. Tensors have the names of ncnn's blobs."""

    def __init__(self, *, half: bool = False) -> None:
        self.half = half
        """Whether the network itself computes in half precision."""
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        stored = f"{name}/half" if array.dtype == np.float16 else name
        self.constants[stored] = numpy_helper.from_array(np.ascontiguousarray(array), stored)
        if stored != name:
            self.add("Cast", [stored], name, to=TensorProto.FLOAT)
        return name

    def weight(self, name: str, value: npt.ArrayLike) -> str:
        """Add a constant in the precision that the network computes with."""
        if not self.half:
            return self.constant(name, value)
        array = np.asarray(value).astype(np.float16)
        if not np.isfinite(array).all():
            raise Refused(f"{name}: a weight is too large for half precision")
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def cast_in(self, source: str, output: str) -> str:
        """Cast from single precision to the network's precision."""
        if self.half:
            return self.add("Cast", [source], output, to=TensorProto.FLOAT16)
        return self.add("Identity", [source], output)

    def cast_out(self, source: str) -> str:
        """Cast a tensor of the network to single precision, and return its name."""
        if not self.half:
            return source
        return self.add("Cast", [source], f"{source}/single", to=TensorProto.FLOAT)

    def integers(self, name: str, values: list[int]) -> str:
        return self.constant(name, np.array(values, np.int64))


def activate(graph: Graph, layer: Layer, source: str) -> None:
    """Write the activation that ncnn folds into a convolution, from `source` to the layer's output."""
    kind, output = layer.integer(9), layer.outputs[0]
    if kind == 1:
        graph.add("Relu", [source], output)
    elif kind == 2:
        graph.add("LeakyRelu", [source], output, alpha=layer.arrays[10][0])
    else:
        raise Refused(f"{layer.name}: unknown activation {kind}")


def convolve(graph: Graph, layer: Layer, operator: str, weight: npt.ArrayLike) -> None:
    if layer.integer(4) < 0 or any(key in layer.numbers for key in (14, 15, 16, 18, 19)):
        raise Refused(f"{layer.name}: a padding that is not the same on all sides")
    inputs = [layer.inputs[0], graph.weight(f"{layer.name}/weight", weight)]
    if "bias" in layer.weights:
        inputs.append(graph.weight(f"{layer.name}/bias", layer.weights["bias"]))
    plain = layer.integer(9) == 0
    output = layer.outputs[0] if plain else f"{layer.name}/linear"
    graph.add(
        operator,
        inputs,
        output,
        kernel_shape=list(np.shape(weight)[2:]),
        dilations=[layer.integer(12, layer.integer(2, 1)), layer.integer(2, 1)],
        strides=[layer.integer(13, layer.integer(3, 1)), layer.integer(3, 1)],
        pads=[layer.integer(4)] * 4,
    )
    if not plain:
        activate(graph, layer, output)


def convolution(graph: Graph, layer: Layer) -> None:
    convolve(graph, layer, "Conv", layer.weights["weight"])


def deconvolution(graph: Graph, layer: Layer) -> None:
    convolve(graph, layer, "ConvTranspose", layer.weights["weight"].transpose(1, 0, 2, 3))


def binary(graph: Graph, layer: Layer) -> None:
    operators = ("Add", "Sub", "Mul", "Div")
    if layer.integer(0) >= len(operators):
        raise Refused(f"{layer.name}: unknown binary operation {layer.integer(0)}")
    inputs = list(layer.inputs)
    if layer.integer(1):
        inputs.append(graph.weight(f"{layer.name}/operand", np.float32(layer.numbers.get(2, 0.0))))
    graph.add(operators[layer.integer(0)], inputs, layer.outputs[0])


def weighted_sum(graph: Graph, layer: Layer) -> None:
    if layer.integer(0) != 1:
        raise Refused(f"{layer.name}: unknown operation {layer.integer(0)} on elements")
    terms = list(layer.inputs)
    for index, factor in enumerate(layer.arrays.get(1, ())):
        if factor != 1:
            operand = graph.weight(f"{layer.name}/factor{index}", np.float32(factor))
            terms[index] = graph.add("Mul", [terms[index], operand], f"{layer.name}/term{index}")
    total = terms[0]
    for term in terms[1:-1]:
        total = graph.add("Add", [total, term], f"{layer.name}/{term}")
    graph.add("Add", [total, terms[-1]], layer.outputs[0])


def split(graph: Graph, layer: Layer) -> None:
    for output in layer.outputs:
        graph.add("Identity", layer.inputs, output)


def concat(graph: Graph, layer: Layer) -> None:
    if layer.integer(0):
        raise Refused(f"{layer.name}: joins along an axis that is not the channels")
    graph.add("Concat", layer.inputs, layer.outputs[0], axis=1)


def inner_product(graph: Graph, layer: Layer) -> None:
    """Write a product with a vector that has the shape of a picture of one pixel."""
    inputs = [layer.inputs[0], graph.weight(f"{layer.name}/weight", layer.weights["weight"])]
    if "bias" in layer.weights:
        inputs.append(graph.weight(f"{layer.name}/bias", layer.weights["bias"]))
    operators = {0: "Identity", 1: "Relu", 4: "Sigmoid"}
    if layer.integer(9) not in operators:
        raise Refused(f"{layer.name}: unknown activation {layer.integer(9)}")
    linear = graph.add("Conv", inputs, f"{layer.name}/linear")
    graph.add(operators[layer.integer(9)], [linear], layer.outputs[0])


def scale(graph: Graph, layer: Layer) -> None:
    if len(layer.inputs) != 2:
        raise Refused(f"{layer.name}: only scaling by another layer is supported")
    graph.add("Mul", layer.inputs, layer.outputs[0])


def crop(graph: Graph, layer: Layer) -> None:
    """Write a crop by the same number of pixels on all four sides."""
    border = layer.integer(0)
    if border != layer.integer(1):
        raise Refused(f"{layer.name}: a crop that is not the same on all sides")
    name = layer.name
    starts, ends = (
        graph.integers(f"{name}/starts", [border] * 2),
        graph.integers(f"{name}/ends", [-border] * 2),
    )
    axes = graph.integers(f"{name}/axes", [2, 3])
    graph.add("Slice", [layer.inputs[0], starts, ends, axes], layer.outputs[0])


def sigmoid(graph: Graph, layer: Layer) -> None:
    graph.add("Sigmoid", layer.inputs, layer.outputs[0])


def swish(graph: Graph, layer: Layer) -> None:
    gate = graph.add("Sigmoid", layer.inputs, f"{layer.name}/gate")
    graph.add("Mul", [layer.inputs[0], gate], layer.outputs[0])


def prelu(graph: Graph, layer: Layer) -> None:
    slope = graph.weight(f"{layer.name}/slope", layer.weights["slope"].reshape(-1, 1, 1))
    graph.add("PRelu", [layer.inputs[0], slope], layer.outputs[0])


def memory(graph: Graph, layer: Layer) -> None:
    graph.weight(layer.outputs[0], layer.weights["data"][None])


def pixel_shuffle(graph: Graph, layer: Layer) -> None:
    if layer.integer(1):
        raise Refused(f"{layer.name}: an order of channels that is not CRD")
    graph.add("DepthToSpace", layer.inputs, layer.outputs[0], blocksize=layer.integer(0), mode="CRD")


def interpolate(graph: Graph, layer: Layer) -> None:
    if layer.integer(0) != 1:
        raise Refused(f"{layer.name}: only the nearest neighbour is supported")
    factors = [1.0, 1.0, layer.numbers[1], layer.numbers[2]]
    scales = graph.constant(f"{layer.name}/scales", np.array(factors, np.float32))
    graph.add(
        "Resize",
        [layer.inputs[0], "", scales],
        layer.outputs[0],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


WRITERS: dict[str, Callable[[Graph, Layer], None]] = {
    "BinaryOp": binary,
    "Concat": concat,
    "Convolution": convolution,
    "Crop": crop,
    "Deconvolution": deconvolution,
    "Eltwise": weighted_sum,
    "InnerProduct": inner_product,
    "Interp": interpolate,
    "MemoryData": memory,
    "PReLU": prelu,
    "PixelShuffle": pixel_shuffle,
    "Scale": scale,
    "Sigmoid": sigmoid,
    "Split": split,
    "Swish": swish,
}


def write_layers(
    graph: Graph, layers: list[Layer], own: dict[str, Callable[[Graph, Layer], None]] | None = None
) -> None:
    """Write all layers. `own` holds writers for kinds of layers that depend on the whole network."""
    for layer in layers:
        if layer.kind == "Input":
            continue
        if own and layer.kind in own:
            own[layer.kind](graph, layer)
            continue
        if layer.kind not in WRITERS:
            raise Refused(f"{layer.name}: layers of kind {layer.kind} are not supported")
        WRITERS[layer.kind](graph, layer)
