"""Makes small networks as an operator might bring, and checks each: `python own_networks.py FOLDER`.

It runs in the environment of the builder, and prints the reports and refusals as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx  # pyright: ignore[reportMissingImports]  the builder's environment has it
from onnx import TensorProto, helper, numpy_helper  # pyright: ignore[reportMissingImports]

from builder.errors import Refused
from builder.own.__main__ import check

OPSET = 17
CENTRE = np.zeros((3, 3), np.float32)
CENTRE[1, 1] = 1
EDGES = np.array([[0, -0.25, 0], [-0.25, 1, -0.25], [0, -0.25, 0]], np.float32)


class Sketch:
    """A network that repeats pixels and adds a little of what is around them."""

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        random = np.random.default_rng(0).normal(0, 0.01, (3, factor**2, 3, 3, 3))
        repeat = np.eye(3)[:, None, :, None, None] * CENTRE
        self.convolve("x", "near", (repeat + random).reshape(3 * factor**2, 3, 3, 3))

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def weight(self, name: str, value: Any) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def convolve(self, source: str, output: str, weights: Any, **attributes: Any) -> str:
        attributes.setdefault("pads", [1] * 4)
        return self.add("Conv", [source, self.weight(f"{output}/w", weights)], output, **attributes)

    def save(self, path: Path, last: str = "near", *, sides: bool = True, opset: int = OPSET) -> None:
        self.add("DepthToSpace", [last], "y", blocksize=self.factor, mode="CRD")
        size = 64 * self.factor
        given = ["n", 3, "h", "w"] if sides else [1, 3, 64, 64]
        made = ["n", 3, "H", "W"] if sides else [1, 3, size, size]
        graph = helper.make_graph(
            self.nodes,
            "sketch",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, given)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, made)],
            initializer=self.weights,
        )
        opsets = [helper.make_opsetid("", opset)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def plain(path: Path) -> None:
    Sketch(2).save(path)


def fixed_sides(path: Path) -> None:
    Sketch(4).save(path, sides=False, opset=20)


def looks_everywhere(path: Path) -> None:
    sketch = Sketch(2)
    sketch.add("GlobalAveragePool", ["near"], "mean")
    sketch.add("Sigmoid", ["mean"], "gate")
    sketch.save(path, sketch.add("Mul", ["near", "gate"], "gated"))


def explodes(path: Path) -> None:
    sketch = Sketch(2)
    edges = (np.eye(3)[:, None, :, None, None] * EDGES).repeat(4, axis=1).reshape(12, 3, 3, 3)
    sketch.convolve("x", "edges", edges)
    sketch.add("Mul", ["edges", "edges"], "squares")
    sketch.add("Mul", ["squares", sketch.weight("many", 30)], "large")
    sketch.save(path, sketch.add("Add", ["near", "large"], "sum"))


def halves_first(path: Path) -> None:
    """Write a network that works on pairs of pixels, and takes no padding of its own."""
    sketch = Sketch(2)
    small = np.random.default_rng(1).normal(0, 0.02, (4, 12, 2, 2))
    sketch.convolve("near", "small", small, pads=[0] * 4, strides=[2, 2])
    large = sketch.weight("large/w", np.random.default_rng(2).normal(0, 0.2, (4, 12, 2, 2)))
    sketch.add("ConvTranspose", ["small", large], "large", strides=[2, 2])
    sketch.save(path, sketch.add("Add", ["near", "large"], "sum"))


def no_network(path: Path) -> None:
    path.write_text("no network")


CARDS = {
    "plain": (plain, {"factor": 2}),
    "fixed": (fixed_sides, {"factor": 4, "licence": "CC-BY-NC-4.0"}),
    "pooled": (looks_everywhere, {"factor": 2}),
    "explosive": (explodes, {"factor": 2}),
    "halving": (halves_first, {"factor": 2}),
    "mislabelled": (plain, {"factor": 4}),
    "narrow": (plain, {"factor": 2, "overlap": 0}),
    "text": (no_network, {"factor": 2}),
}

ONLY_MEASURED = ("plain", "explosive")
"""Triton would need a second for each of them."""


def main() -> None:
    folder = Path(sys.argv[1])
    found: dict[str, Any] = {}
    for name, (make, card) in CARDS.items():
        path = folder / f"{name}.onnx"
        make(path)
        fields = {"name": f"tiny-{name}", "title": f"Tiny {name}", "licence": "MIT", **card}
        path.with_suffix(".yaml").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
        try:
            entries = None if name in ONLY_MEASURED else folder / "entries"
            found[name] = check(path, path.with_suffix(".yaml"), entries)
        except Refused as error:
            found[name] = {"refused": str(error)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
