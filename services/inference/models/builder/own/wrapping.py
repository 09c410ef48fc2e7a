"""Puts a network of any maker into a graph like those of Loupe's own networks.

The graph takes and returns pictures of uint8, or of float32 from 0 to 1. It adds the pixels that the network
cuts off at its borders, keeps the colours of wide areas, and marks where the network failed.
"""

from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np
import onnx
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    compose,
    helper,
    version_converter,
)

from builder import image_graph
from builder.errors import Refused
from builder.facts import Drift, Model, Network
from builder.graph import Graph
from builder.image_graph import CHANNELS, IR_VERSION, OPSET, tensor
from builder.own.card import Card

PREFIX = "net/"
INPUT, OUTPUT, RAW = "network/input", "network/output", "RAW"
LARGEST_IR_VERSION = 10
"""All runtimes read graphs up to this version."""
DIMENSIONS = ("batch", "channels", "height", "width")


@dataclass(frozen=True)
class Fit:
    """The measured numbers by which pictures are cut for a network."""

    padding: int = 0
    """Pixels of the input that are added at each border, by repeating the outermost ones."""
    cut: int = 0
    """Pixels of the output that are then cut off at the top and on the left."""
    step: int = 1
    """Sides must be multiples of this, and tiles must begin at one."""


def read(path: str) -> ModelProto:
    """Return the network of an ONNX file, in an opset that the rest of the graph can have.

    Raises `Refused`.
    """
    try:
        network = onnx.load(path)
        onnx.checker.check_model(network)
    except Exception as error:  # noqa: BLE001  the checker and protobuf raise many kinds
        raise Refused(f"this is no valid ONNX file: {first_line(error)}") from None
    initial = {one.name for one in network.graph.initializer}
    inputs = [one for one in network.graph.input if one.name not in initial]
    if len(inputs) != 1 or len(network.graph.output) != 1:
        raise Refused(
            f"it has {len(inputs)} inputs and {len(network.graph.output)} outputs; one of each is needed"
        )
    if foreign := sorted({node.domain for node in network.graph.node} - {"", "ai.onnx"}):
        raise Refused(f"it uses operators of {foreign[0]}, which are not part of ONNX")
    for one in (inputs[0], network.graph.output[0]):
        if one.type.tensor_type.elem_type not in (TensorProto.FLOAT, TensorProto.FLOAT16):
            raise Refused(f"{one.name} is no tensor of numbers with a point; give it float32 or float16")
    return with_free_sides(in_opset(network))


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def in_opset(network: ModelProto) -> ModelProto:
    version = opset_of(network)
    if version >= OPSET:
        return network
    try:
        return version_converter.convert_version(network, OPSET)
    except Exception as error:  # noqa: BLE001  it raises whatever C++ does
        raise Refused(f"its opset {version} cannot be converted to {OPSET}: {first_line(error)}") from None


def opset_of(network: ModelProto) -> int:
    return next(each.version for each in network.opset_import if each.domain in ("", "ai.onnx"))


def with_free_sides(network: ModelProto) -> ModelProto:
    """Return the network with sides that may be of any length, if its layers allow that."""
    result = ModelProto()
    result.CopyFrom(network)
    initial = {one.name for one in result.graph.initializer}
    for one in [*result.graph.input, *result.graph.output]:
        dimensions = one.type.tensor_type.shape.dim
        if one.name in initial:
            continue
        if len(dimensions) != len(DIMENSIONS):
            raise Refused(
                f"{one.name} has {len(dimensions)} dimensions, not batch, channels, height and width"
            )
        for dimension, name in zip(dimensions, DIMENSIONS, strict=True):
            if name != "channels":
                dimension.Clear()
                dimension.dim_param = f"{one.name}/{name}"
    del result.graph.value_info[:]
    return result


def input_of(network: ModelProto) -> ValueInfoProto:
    initial = {one.name for one in network.graph.initializer}
    return next(one for one in network.graph.input if one.name not in initial)


def facts_of(card: Card, drift: Drift, fallback: str, *, is_float: bool) -> Network:
    """Return what the shared parts of the graph must know."""
    return Network(
        name=card.triton_name + ("_float" if is_float else ""),
        model=Model(card.name, card.description, card.best_for),
        scale=card.factor,
        factors=card.factors,
        package="",
        path="",
        param_sha256="",
        bin_sha256="",
        title=card.title,
        source=card.source,
        licence=card.licence,
        overlap=0,
        kflop=0,
        fallback=fallback,
        drift=drift,
        is_float=is_float,
    )


def write_input(graph: Graph, card: Card, fit: Fit, unit: str, kind: int) -> None:
    """Write the way from the picture, 0 to 1, to the network's input."""
    at = unit
    graph.add("Shape", [unit], "fit/sides", start=2, end=4)
    if fit.padding or fit.step > 1:
        at = write_padding(graph, fit, at)
    if card.channels == "bgr":
        at = graph.add("Gather", [at, graph.integers("fit/reversed", [2, 1, 0])], "fit/bgr", axis=1)
    if card.channels == "grey":
        at = graph.add("Reshape", [at, graph.integers("fit/planes", [-1, 1, 0, 0])], "fit/grey")
    width = graph.constant("fit/range", np.float32(card.highest - card.lowest))
    lowest = graph.constant("fit/lowest", np.float32(card.lowest))
    graph.add("Mul", [at, width], "fit/wide")
    graph.add("Add", ["fit/wide", lowest], "fit/levels")
    graph.add("Cast", ["fit/levels"], INPUT, to=kind)


def write_padding(graph: Graph, fit: Fit, source: str) -> str:
    """Write the padding of all sides, and of right and bottom to a multiple of the network's step."""
    step, around = graph.integers("fit/step", [fit.step]), graph.integers("fit/padding", [fit.padding] * 2)
    graph.add("Add", ["fit/sides", graph.integers("fit/both", [2 * fit.padding])], "fit/padded_sides")
    graph.add("Mod", ["fit/padded_sides", step], "fit/over")
    graph.add("Sub", [step, "fit/over"], "fit/to_next")
    graph.add("Mod", ["fit/to_next", step], "fit/missing")
    graph.add("Add", [around, "fit/missing"], "fit/after")
    none = graph.integers("fit/none", [0, 0])
    graph.add("Concat", [none, around, none, "fit/after"], "fit/pads", axis=0)
    return graph.add("Pad", [source, "fit/pads"], "fit/padded", mode="edge")


def write_output(graph: Graph, card: Card, fit: Fit) -> str:
    """Write the way from the network's output to pixels of 0 to 1, not clamped. Return their name."""
    graph.add("Cast", [OUTPUT], "fit/single", to=TensorProto.FLOAT)
    graph.add("Sub", ["fit/single", "fit/lowest"], "fit/above")
    at = graph.add("Div", ["fit/above", "fit/range"], "fit/narrow")
    if card.channels == "bgr":
        at = graph.add("Gather", [at, "fit/reversed"], "fit/rgb", axis=1)
    if card.channels == "grey":
        at = graph.add("Reshape", [at, graph.integers("fit/colours", [-1, CHANNELS, 0, 0])], "fit/joined")
    start = graph.integers("fit/start", [fit.cut] * 2)
    graph.add("Mul", ["fit/sides", graph.integers("fit/factor", [card.factor])], "fit/target")
    graph.add("Add", ["fit/target", start], "fit/end")
    return graph.add("Slice", [at, start, "fit/end", graph.integers("fit/axes", [2, 3])], RAW)


def write_blocks(graph: Graph, scale: int) -> str:
    """Write each pixel's block of the output as channels, one colour after the other."""
    graph.add("SpaceToDepth", [RAW], "doubt/mixed", blocksize=scale)
    order = [block * CHANNELS + colour for colour in range(CHANNELS) for block in range(scale**2)]
    return graph.add("Gather", ["doubt/mixed", graph.integers("doubt/order", order)], "doubt/blocks", axis=1)


def wrap(
    network: ModelProto,
    card: Card,
    fit: Fit,
    drift: Drift,
    *,
    fallback: str = "",
    is_float: bool = False,
    shows_raw: bool = False,
) -> bytes:
    """Return the whole graph as ONNX. With a fallback it marks where the network failed (`DOUBT`).

    For measurements it also returns the network's result before it is clamped (`RAW`).
    """
    facts, graph = facts_of(card, drift, fallback, is_float=is_float), Graph()
    unit = image_graph.read_image(graph, facts, "image/seen")
    write_input(graph, card, fit, unit, input_of(network).type.tensor_type.elem_type)
    raw = write_output(graph, card, fit)
    correct = image_graph.CORRECTIONS[drift]
    image_graph.write_upscaled(graph, facts, correct(graph, card.factor, unit, raw) if correct else raw)
    outputs = [tensor("UPSCALED", CHANNELS, "upscaled_height", "upscaled_width", is_float=is_float)]
    if fallback:
        image_graph.write_uncertainty(graph, card.factor, unit, write_blocks(graph, card.factor))
        outputs.append(tensor("DOUBT", 1, "height", "width"))
    if shows_raw:
        outputs.append(tensor(RAW, CHANNELS, "upscaled_height", "upscaled_width", is_float=True))
    around = helper.make_graph(
        graph.nodes,
        card.triton_name,
        [tensor("IMAGE", CHANNELS, "height", "width", is_float=is_float), hole(network, OUTPUT)],
        [*outputs, hole(network, INPUT)],
        initializer=list(graph.constants.values()),
    )
    return spliced(network, around)


def hole(network: ModelProto, name: str) -> ValueInfoProto:
    """Return the description of a tensor between the graph around and the network."""
    kind = input_of(network).type.tensor_type if name == INPUT else network.graph.output[0].type.tensor_type
    return helper.make_tensor_value_info(name, kind.elem_type, [None] * 4)


def spliced(network: ModelProto, around: GraphProto) -> bytes:
    """Return the graph with the network in its hole. Both get the network's opset."""
    opset = opset_of(network)
    opsets = [helper.make_opsetid("", opset)]
    outer = helper.make_model(around, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    if opset > OPSET:
        outer = version_converter.convert_version(outer, opset)
    inner = compose.add_prefix(network, PREFIX)
    joints = [
        helper.make_node("Identity", [INPUT], [input_of(inner).name]),
        helper.make_node("Identity", [inner.graph.output[0].name], [OUTPUT]),
    ]
    whole = helper.make_graph(
        in_order([*outer.graph.node, *joints, *inner.graph.node]),
        around.name,
        [one for one in outer.graph.input if one.name != OUTPUT],
        [one for one in outer.graph.output if one.name != INPUT],
        initializer=[*outer.graph.initializer, *inner.graph.initializer],
    )
    version = max(IR_VERSION, min(network.ir_version, LARGEST_IR_VERSION))
    result = helper.make_model(whole, opset_imports=opsets, ir_version=version, producer_name="loupe")
    try:
        onnx.checker.check_model(result, full_check=True)
    except Exception as error:  # noqa: BLE001  the checker raises many kinds
        raise Refused(f"its layers do not fit a picture of any size: {first_line(error)}") from None
    return result.SerializeToString(deterministic=True)


def in_order(nodes: list[NodeProto]) -> list[NodeProto]:
    """Return the nodes with each after those whose results it takes."""
    makers = {output: index for index, node in enumerate(nodes) for output in node.output}
    needs = {
        index: {makers[each] for each in node.input if each in makers} for index, node in enumerate(nodes)
    }
    return [nodes[index] for index in TopologicalSorter(needs).static_order()]
