"""Wraps a network into a graph whose input and output are pictures.

Pictures are planar RGB of any height and width, uint8 or float32 from 0 to 1. The second output, `DOUBT`,
marks each input pixel where the network failed with 255. Small high-contrast patterns make SPAN's attention
explode, which shows only before the output is clamped.
"""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, ValueInfoProto, helper

from builder.facts import Drift, Network
from builder.graph import Graph, write_layers
from builder.layers import Layer
from builder.pooling import PoolingWriter, pooled_layers

OPSET, IR_VERSION = 17, 8
CHANNELS = 3
LOWEST, HIGHEST = -0.2, 1.2
"""The range that the network may return instead of 0..1."""
MAX_CORRECTION = 4 / 255
"""A larger difference from the input is wanted: the network sharpened there."""
NEIGHBOURS = 5
BLUR, BLUR_REACH = 2.0, 6
"""In pixels of the input: standard deviation of the blur that makes the low band, and where it ends."""
DRIFT = 0.06
"""How far the output, reduced to the input's size, may lie from the input."""


def read_image(graph: Graph, network: Network, output: str) -> str:
    """Write the way from `IMAGE` to the network's input. Return the name of the image as 0..1."""
    if network.is_float:
        unit = "IMAGE"
    else:
        graph.add("Cast", ["IMAGE"], "image/levels", to=TensorProto.FLOAT)
        levels = graph.constant("image/white", np.float32(255))
        unit = graph.add("Div", ["image/levels", levels], "image/unit")
    padded, padding = unit, network.padding
    if padding:
        edges = graph.constant("image/padding", np.array([0, 0, padding, padding] * 2, np.int64))
        padded = graph.add("Pad", [unit, edges], "image/padded", mode="edge")
    graph.cast_in(padded, output)
    return unit


def write_upscaled(graph: Graph, network: Network, raw: str) -> None:
    low, high = graph.constant("upscaled/low", np.float32(0)), graph.constant("upscaled/high", np.float32(1))
    if network.is_float:
        graph.add("Clip", [raw, low, high], "UPSCALED")
        return
    graph.add("Clip", [raw, low, high], "upscaled/unit")
    levels = graph.constant("upscaled/white", np.float32(255))
    graph.add("Mul", ["upscaled/unit", levels], "upscaled/levels")
    graph.add("Round", ["upscaled/levels"], "upscaled/whole")
    graph.add("Cast", ["upscaled/whole"], "UPSCALED", to=TensorProto.UINT8)


def write_difference(graph: Graph, scale: int, image: str, raw: str) -> str:
    """Write each input pixel minus the mean of its block of the output."""
    side = [scale, scale]
    graph.add("AveragePool", [raw], "corrected/reduced", kernel_shape=side, strides=side)
    return graph.add("Sub", [image, "corrected/reduced"], "corrected/lack")


def write_levels_correction(graph: Graph, scale: int, image: str, raw: str) -> str:
    """Write the output plus the mean difference around each pixel, which is limited to a few levels."""
    write_difference(graph, scale, image, raw)
    bounds = [graph.constant(f"corrected/{x}", np.float32(x)) for x in (-MAX_CORRECTION, MAX_CORRECTION)]
    graph.add("Clip", ["corrected/lack", *bounds], "corrected/little")
    around = {"kernel_shape": [NEIGHBOURS] * 2, "pads": [NEIGHBOURS // 2] * 4, "count_include_pad": 0}
    graph.add("AveragePool", ["corrected/little"], "corrected/mean", **around)
    scales = graph.constant("corrected/scales", np.array([1, 1, scale, scale], np.float32))
    graph.add(
        "Resize",
        ["corrected/mean", "", scales],
        "corrected/lift",
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return graph.add("Add", [raw, "corrected/lift"], "corrected/raw")


def blurring_taps() -> npt.NDArray[np.float64]:
    taps = np.exp(-(np.arange(-BLUR_REACH, BLUR_REACH + 1) ** 2) / (2 * BLUR**2))
    return taps / taps.sum()


def write_colour_correction(graph: Graph, scale: int, image: str, raw: str) -> str:
    """Write the output with the input's low band: wide areas get the input's colours, and details stay.

    Dividing by the same blur of a white picture makes up for the weights that fall outside at the borders.
    """
    write_difference(graph, scale, image, raw)
    kernel = np.outer(blurring_taps(), blurring_taps()).astype(np.float32)
    taps = graph.constant("corrected/taps", np.tile(kernel, (CHANNELS, 1, 1, 1)))
    one = graph.constant("corrected/one", np.float32(1))
    graph.add("Clip", [image, one, one], "corrected/white")
    around = {"group": CHANNELS, "pads": [BLUR_REACH] * 4}
    graph.add("Conv", ["corrected/lack", taps], "corrected/sum", **around)
    graph.add("Conv", ["corrected/white", taps], "corrected/weight", **around)
    graph.add("Div", ["corrected/sum", "corrected/weight"], "corrected/band")
    scales = graph.constant("corrected/scales", np.array([1, 1, scale, scale], np.float32))
    graph.add("Resize", ["corrected/band", "", scales], "corrected/lift", mode="linear")
    return graph.add("Add", [raw, "corrected/lift"], "corrected/raw")


CORRECTIONS = {
    Drift.NONE: None,
    Drift.LEVELS: write_levels_correction,
    Drift.COLOURS: write_colour_correction,
}


def reducing_taps(scale: int) -> npt.NDArray[np.float64]:
    """Return the bicubic weights along one axis of every pixel of the five blocks around a pixel."""
    distance = np.abs(np.arange(5 * scale) - (5 * scale - 1) / 2) / scale
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    taps = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    return (taps / taps.sum()).reshape(5, scale)


def reducing_weights(scale: int) -> npt.NDArray[np.float32]:
    """Return the same for pictures whose blocks are channels: one pixel a block, each colour by itself."""
    taps = reducing_taps(scale)
    plane = np.einsum("ya,xb->abyx", taps, taps).reshape(scale**2, 5, 5)
    return np.einsum("cd,kyx->cdkyx", np.eye(CHANNELS), plane).reshape(CHANNELS, -1, 5, 5).astype(np.float32)


def write_distance(graph: Graph, scale: int, image: str, blocks: str) -> str:
    """Write how far the output, reduced to the input's size, lies from the input.

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
    return graph.add("Abs", ["doubt/difference"], "doubt/distance")


def write_uncertainty(graph: Graph, scale: int, image: str, blocks: str) -> None:
    """Write `DOUBT`. `blocks` holds each pixel's block of the output as channels.

    NaN, into which half precision overflows, must be marked. The distance carries NaN, because each of its
    colours is a sum over all of them, and every comparison with NaN is false. A minimum or maximum may drop
    NaN, as a GPU's does, so these are only taken of numbers.
    """
    bounds = [graph.constant(f"doubt/{x}", np.float32(x)) for x in (LOWEST, HIGHEST, DRIFT)]
    values = [graph.constant("doubt/no", np.float32(0)), graph.constant("doubt/yes", np.float32(255))]
    distance = write_distance(graph, scale, image, blocks)
    graph.add("Less", [distance, bounds[2]], "doubt/near")
    graph.add("Where", ["doubt/near", *values], "doubt/colours")
    graph.add("ReduceMax", ["doubt/colours"], "doubt/drift", axes=[1], keepdims=1)
    least = graph.add("ReduceMin", [blocks], "doubt/least", axes=[1], keepdims=1)
    most = graph.add("ReduceMax", [blocks], "doubt/most", axes=[1], keepdims=1)
    graph.add("Greater", [least, bounds[0]], "doubt/above")
    graph.add("Less", [most, bounds[1]], "doubt/below")
    graph.add("And", ["doubt/above", "doubt/below"], "doubt/inside")
    graph.add("Where", ["doubt/inside", "doubt/drift", values[1]], "doubt/levels")
    graph.add("Cast", ["doubt/levels"], "DOUBT", to=TensorProto.UINT8)


def tensor(name: str, channels: int, height: str, width: str, *, is_float: bool = False) -> ValueInfoProto:
    kind = TensorProto.FLOAT if is_float else TensorProto.UINT8
    return helper.make_tensor_value_info(name, kind, ["batch", channels, height, width])


def build(network: Network, layers: list[Layer], *, half: bool = False) -> bytes:
    """Return the graph as ONNX. With `half` only the network inside computes in half precision."""
    graph = Graph(half=half)
    image = read_image(graph, network, layers[0].outputs[0])
    pooled = pooled_layers(layers, network.padding)
    pooling = PoolingWriter(pooled)
    write_layers(graph, layers, {"Pooling": pooling.write})
    raw = graph.cast_out(layers[-1].outputs[0])
    correct = CORRECTIONS[network.drift]
    write_upscaled(graph, network, correct(graph, network.scale, image, raw) if correct else raw)
    outputs = [tensor("UPSCALED", CHANNELS, "upscaled_height", "upscaled_width", is_float=network.is_float)]
    if network.has_uncertainty:
        write_uncertainty(graph, network.scale, image, graph.cast_out(layers[-1].inputs[0]))
        outputs.append(tensor("DOUBT", 1, "height", "width"))
    inputs = [tensor("IMAGE", CHANNELS, "height", "width", is_float=network.is_float)]
    if pooled:
        inputs += pooling.inputs()
        outputs += pooling.outputs()
    proto = helper.make_graph(
        graph.nodes,
        network.name,
        inputs,
        outputs,
        initializer=list(graph.constants.values()),
    )
    opsets = [helper.make_opsetid("", OPSET)]
    result = helper.make_model(proto, opset_imports=opsets, ir_version=IR_VERSION, producer_name="loupe")
    onnx.checker.check_model(result, full_check=True)
    return result.SerializeToString(deterministic=True)
