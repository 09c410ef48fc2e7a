"""Runs a packed graph with PyTorch, node by node, each in the type that the graph says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Tensor = Any
FLOAT, UINT8, HALF = 1, 2, 10
"""ONNX's numbers of types."""


class Graph:
    def __init__(self, torch: Any, packed: Path, device: str) -> None:
        """`packed` is the path without its suffix. Raises `ValueError` for an operator that is not known."""
        self._nodes: list[dict[str, Any]] = json.loads(packed.with_name(packed.name + ".json").read_text())
        operators = operators_of(torch)
        if unknown := {node["op"] for node in self._nodes} - set(operators):
            raise ValueError(f"{packed.name} has operators that are not known: {', '.join(sorted(unknown))}")
        self._operators = operators
        with np.load(packed.with_name(packed.name + ".npz")) as constants:
            self._constants = {name: torch.from_numpy(constants[name]).to(device) for name in constants.files}

    def __call__(self, image: Tensor) -> Tensor:
        """Return `UPSCALED`. The uncertainty map is computed too, as an engine does."""
        values: dict[str, Tensor] = {**self._constants, "IMAGE": image}
        for node in self._nodes:
            inputs = [values[name] if name else None for name in node["in"]]
            values[node["out"]] = self._operators[node["op"]](inputs, node["with"])
        return values["UPSCALED"]


def operators_of(torch: Any) -> dict[str, Callable[[list[Tensor], dict[str, Any]], Tensor]]:
    """Return what each operator of our graphs does."""
    functional = torch.nn.functional
    types = {FLOAT: torch.float32, UINT8: torch.uint8, HALF: torch.float16}

    def convolve(x: list[Tensor], given: dict[str, Any]) -> Tensor:
        bias, pads = (x[2] if len(x) > 2 else None), given.get("pads", [0] * 4)
        return functional.conv2d(
            x[0],
            x[1],
            bias,
            given.get("strides", 1),
            pads[:2],
            given.get("dilations", 1),
            given.get("group", 1),
        )

    def convolve_back(x: list[Tensor], given: dict[str, Any]) -> Tensor:
        bias, pads = (x[2] if len(x) > 2 else None), given.get("pads", [0] * 4)
        return functional.conv_transpose2d(x[0], x[1], bias, given.get("strides", 1), pads[:2])

    def resize(x: list[Tensor], given: dict[str, Any]) -> Tensor:
        scale = int(x[2][2])
        if given["mode"] == "nearest":
            return functional.interpolate(x[0], scale_factor=scale, mode="nearest")
        return functional.interpolate(x[0], scale_factor=scale, mode="bilinear", align_corners=False)

    def pad(x: list[Tensor], _: dict[str, Any]) -> Tensor:
        top, left, bottom, right = (int(x[1][place]) for place in (2, 3, 6, 7))
        return functional.pad(x[0], (left, right, top, bottom), mode="replicate")

    def average(x: list[Tensor], given: dict[str, Any]) -> Tensor:
        padding, stride = given.get("pads", [0] * 4)[:2], given.get("strides", 1)
        return functional.avg_pool2d(x[0], given["kernel_shape"], stride, padding, count_include_pad=False)

    return {
        "Abs": lambda x, _: x[0].abs(),
        "Add": lambda x, _: x[0] + x[1],
        "And": lambda x, _: x[0] & x[1],
        "AveragePool": average,
        "Cast": lambda x, given: x[0].to(types[given["to"]]),
        "Clip": lambda x, _: torch.clamp(x[0], x[1], x[2]),
        "Concat": lambda x, given: torch.cat(x, given["axis"]),
        "Conv": convolve,
        "ConvTranspose": convolve_back,
        "DepthToSpace": lambda x, given: functional.pixel_shuffle(x[0], given["blocksize"]),
        "Div": lambda x, _: x[0] / x[1],
        "Greater": lambda x, _: x[0] > x[1],
        "Identity": lambda x, _: x[0],
        "LeakyRelu": lambda x, given: functional.leaky_relu(x[0], given.get("alpha", 0.01)),
        "Less": lambda x, _: x[0] < x[1],
        "Mul": lambda x, _: x[0] * x[1],
        "PRelu": lambda x, _: functional.prelu(x[0], x[1].flatten()),
        "Pad": pad,
        "ReduceMax": lambda x, given: x[0].amax(given["axes"], keepdim=bool(given["keepdims"])),
        "ReduceMin": lambda x, given: x[0].amin(given["axes"], keepdim=bool(given["keepdims"])),
        "Relu": lambda x, _: functional.relu(x[0]),
        "Resize": resize,
        "Round": lambda x, _: x[0].round(),
        "Sigmoid": lambda x, _: x[0].sigmoid(),
        "Sub": lambda x, _: x[0] - x[1],
        "Where": lambda x, _: torch.where(x[0], x[1], x[2]),
    }
