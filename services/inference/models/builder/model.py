"""Puts a network into a graph that takes and gives pictures: planar RGB, any height and width; uint8, or
float32 from 0 to 1.

`DOUBT` tells per input pixel where the network ran away (255) and where not (0): small high-contrast
patterns make SPAN's attention explode, which shows only before the output is clamped.
"""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, ValueInfoProto, helper

from builder.graph import Graph, write_layers
from builder.layers import Layer
from builder.registry import Model

OPSET, IR_VERSION = 17, 8
CHANNELS = 3
LOWEST, HIGHEST = -0.2, 1.2
"""What the network may return where 0..1 is meant."""
MOST_CORRECTED = 4 / 255
"""A larger difference from the input is what the network was asked for."""
NEIGHBOURS = 5
DRIFT = 0.06
"""How far the output, reduced to the input's size, may lie from the input."""


def read_image(graph: Graph, model: Model, output: str) -> str:
    """From `IMAGE` to the network's input; returns the image as 0..1."""
    unit = "image/unit" if model.padding else output
    if model.floats:
        graph.add("Identity", ["IMAGE"], unit)
    else:
        graph.add("Cast", ["IMAGE"], "image/levels", to=TensorProto.FLOAT)
        levels = graph.constant("image/white", np.float32(255))
        graph.add("Div", ["image/levels", levels], unit)
    if not model.padding:
        return output
    padding = model.padding
    edges = graph.constant("image/padding", np.array([0, 0, padding, padding] * 2, np.int64))
    graph.add("Pad", ["image/unit", edges], output, mode="edge")
    return "image/unit"


def write_upscaled(graph: Graph, model: Model, raw: str) -> None:
    low, high = graph.constant("upscaled/low", np.float32(0)), graph.constant("upscaled/high", np.float32(1))
    if model.floats:
        graph.add("Clip", [raw, low, high], "UPSCALED")
        return
    graph.add("Clip", [raw, low, high], "upscaled/unit")
    levels = graph.constant("upscaled/white", np.float32(255))
    graph.add("Mul", ["upscaled/unit", levels], "upscaled/levels")
    graph.add("Round", ["upscaled/levels"], "upscaled/whole")
    graph.add("Cast", ["upscaled/whole"], "UPSCALED", to=TensorProto.UINT8)


def write_corrected(graph: Graph, model: Model, image: str, raw: str) -> str:
    """The output, lifted by what its blocks lack of their pixels; only by a little."""
    side = [model.scale, model.scale]
    graph.add("AveragePool", [raw], "corrected/reduced", kernel_shape=side, strides=side)
    graph.add("Sub", [image, "corrected/reduced"], "corrected/lack")
    bounds = [graph.constant(f"corrected/{x}", np.float32(x)) for x in (-MOST_CORRECTED, MOST_CORRECTED)]
    graph.add("Clip", ["corrected/lack", *bounds], "corrected/little")
    around = {"kernel_shape": [NEIGHBOURS] * 2, "pads": [NEIGHBOURS // 2] * 4, "count_include_pad": 0}
    graph.add("AveragePool", ["corrected/little"], "corrected/mean", **around)
    scales = graph.constant("corrected/scales", np.array([1, 1, *side], np.float32))
    graph.add(
        "Resize",
        ["corrected/mean", "", scales],
        "corrected/lift",
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return graph.add("Add", [raw, "corrected/lift"], "corrected/raw")


def reducing_taps(scale: int) -> npt.NDArray[np.float64]:
    """Bicubic reduction along one axis: the weight of every pixel of the five blocks around a pixel."""
    distance = np.abs(np.arange(5 * scale) - (5 * scale - 1) / 2) / scale
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    taps = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    return (taps / taps.sum()).reshape(5, scale)


def reducing_weights(scale: int) -> npt.NDArray[np.float32]:
    """The same for pictures, from blocks as channels to one pixel a block, each colour by itself."""
    taps = reducing_taps(scale)
    plane = np.einsum("ya,xb->abyx", taps, taps).reshape(scale**2, 5, 5)
    return np.einsum("cd,kyx->cdkyx", np.eye(CHANNELS), plane).reshape(CHANNELS, -1, 5, 5).astype(np.float32)


def write_drift(graph: Graph, scale: int, image: str, blocks: str) -> str:
    """How far the output, reduced to the input's size, lies from the input.

    Dividing by the same for a white picture makes up for the weights that fall outside at the borders.
    A block's plain mean would not do: it differs from the pixel at every sharp edge.
    """
    weights = reducing_weights(scale)
    whole = weights.reshape(CHANNELS, CHANNELS, -1, 5, 5).sum(axis=2)
    one = graph.constant("doubt/one", np.float32(1))
    graph.add("Clip", [image, one, one], "doubt/white")
    sums = graph.constant("doubt/sums", whole)
    graph.add("Conv", ["doubt/white", sums], "doubt/weight", pads=[2] * 4)
    graph.add("Conv", [blocks, graph.constant("doubt/weights", weights)], "doubt/sum", pads=[2] * 4)
    graph.add("Div", ["doubt/sum", "doubt/weight"], "doubt/reduced")
    graph.add("Sub", ["doubt/reduced", image], "doubt/difference")
    graph.add("Abs", ["doubt/difference"], "doubt/distance")
    return graph.add("ReduceMax", ["doubt/distance"], "doubt/drift", axes=[1], keepdims=1)


def write_doubt(graph: Graph, scale: int, image: str, blocks: str) -> None:
    """`blocks` holds each pixel's block of output as channels; with NaN every comparison is false: doubt."""
    least = graph.add("ReduceMin", [blocks], "doubt/least", axes=[1], keepdims=1)
    most = graph.add("ReduceMax", [blocks], "doubt/most", axes=[1], keepdims=1)
    drift = write_drift(graph, scale, image, blocks)
    bounds = [graph.constant(f"doubt/{x}", np.float32(x)) for x in (LOWEST, HIGHEST, DRIFT)]
    graph.add("GreaterOrEqual", [least, bounds[0]], "doubt/above")
    graph.add("LessOrEqual", [most, bounds[1]], "doubt/below")
    graph.add("LessOrEqual", [drift, bounds[2]], "doubt/near")
    graph.add("And", ["doubt/above", "doubt/below"], "doubt/inside")
    graph.add("And", ["doubt/inside", "doubt/near"], "doubt/sound")
    values = [graph.constant("doubt/no", np.float32(0)), graph.constant("doubt/yes", np.float32(255))]
    graph.add("Where", ["doubt/sound", *values], "doubt/levels")
    graph.add("Cast", ["doubt/levels"], "DOUBT", to=TensorProto.UINT8)


def tensor(name: str, channels: int, height: str, width: str, *, floats: bool = False) -> ValueInfoProto:
    kind = TensorProto.FLOAT if floats else TensorProto.UINT8
    return helper.make_tensor_value_info(name, kind, ["batch", channels, height, width])


def build(model: Model, layers: list[Layer]) -> bytes:
    graph = Graph()
    image = read_image(graph, model, layers[0].outputs[0])
    write_layers(graph, layers)
    raw = layers[-1].outputs[0]
    write_upscaled(graph, model, write_corrected(graph, model, image, raw) if model.drifts else raw)
    outputs = [tensor("UPSCALED", CHANNELS, "upscaled_height", "upscaled_width", floats=model.floats)]
    if model.guarded:
        write_doubt(graph, model.scale, image, layers[-1].inputs[0])
        outputs.append(tensor("DOUBT", 1, "height", "width"))
    proto = helper.make_graph(
        graph.nodes,
        model.name,
        [tensor("IMAGE", CHANNELS, "height", "width", floats=model.floats)],
        outputs,
        initializer=list(graph.constants.values()),
    )
    opsets = [helper.make_opsetid("", OPSET)]
    result = helper.make_model(proto, opset_imports=opsets, ir_version=IR_VERSION, producer_name="loupe")
    onnx.checker.check_model(result, full_check=True)
    return result.SerializeToString(deterministic=True)
