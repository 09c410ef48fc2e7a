"""Runs a graph on the CPU node by node, and rounds each result to the type that the graph gives it.

On a processor without instructions for half precision, the runtimes compute it in single precision and would
neither round nor overflow. Sums are taken in single precision, as in a GPU's matrix units.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

Array = npt.NDArray[Any]


def single(array: Array) -> Array:
    return array.astype(np.float32)


class Conv(OpRun):  # type: ignore[misc]  onnx has no types
    op_domain = ""

    def _run(self, x: Array, weight: Array, bias: Array | None = None, **attributes: Any) -> tuple[Array]:
        top, left, bottom, right = attributes.get("pads") or [0] * 4
        padded = np.pad(single(x), ((0, 0), (0, 0), (top, bottom), (left, right)))
        windows = sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
        if attributes.get("group", 1) > 1:
            result = np.einsum("nchwij,cij->nchw", windows, single(weight)[:, 0])
        else:
            result = np.tensordot(windows, single(weight), ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        if bias is not None:
            result += single(bias)[:, None, None]
        return (result.astype(x.dtype),)


class ConvTranspose(OpRun):  # type: ignore[misc]
    op_domain = ""

    def _run(self, x: Array, weight: Array, bias: Array | None = None, **attributes: Any) -> tuple[Array]:
        step, pad = attributes["strides"][0], attributes["pads"][0]
        (count, _, height, width), (_, channels, rows, columns) = x.shape, weight.shape
        shape = (count, channels, (height - 1) * step + rows, (width - 1) * step + columns)
        result = np.zeros(shape, np.float32)
        for row, column in np.ndindex(rows, columns):
            part = np.tensordot(single(x), single(weight[:, :, row, column]), ((1,), (0,)))
            ends = row + (height - 1) * step + 1, column + (width - 1) * step + 1
            result[:, :, row : ends[0] : step, column : ends[1] : step] += part.transpose(0, 3, 1, 2)
        if bias is not None:
            result += single(bias)[:, None, None]
        return (result[:, :, pad : shape[2] - pad, pad : shape[3] - pad].astype(x.dtype),)


class ReduceMin(OpRun):  # type: ignore[misc]
    """Ignores NaN, as a GPU may."""

    op_domain = ""

    def _run(self, x: Array, **attributes: Any) -> tuple[Array]:
        return (
            np.fmin.reduce(x, axis=tuple(attributes["axes"]), keepdims=True, initial=np.inf).astype(x.dtype),
        )


class ReduceMax(OpRun):  # type: ignore[misc]
    """Ignores NaN, as a GPU may."""

    op_domain = ""

    def _run(self, x: Array, **attributes: Any) -> tuple[Array]:
        return (
            np.fmax.reduce(x, axis=tuple(attributes["axes"]), keepdims=True, initial=-np.inf).astype(x.dtype),
        )


class Resize(OpRun):  # type: ignore[misc]
    """Enlarges by whole factors: nearest neighbour, or linear between the centres of pixels."""

    op_domain = ""

    def _run(self, x: Array, roi: Array | None, scales: Array, **attributes: Any) -> tuple[Array]:
        factor = int(scales[2])
        if attributes.get("mode") == "linear":
            return (along(along(x, factor, 2), factor, 3).astype(x.dtype),)
        return (x.repeat(factor, 2).repeat(factor, 3),)


def along(array: Array, factor: int, axis: int) -> Array:
    length = array.shape[axis]
    places = (np.arange(length * factor) + 0.5) / factor - 0.5
    known = np.arange(length)
    return np.apply_along_axis(lambda values: np.interp(places, known, values), axis, array)


def run(graph: bytes, image: Array, wanted: list[str]) -> dict[str, Array]:
    """Return the named tensors, which may be outputs or inner tensors of the graph."""
    model = onnx.load_from_string(graph)
    for name in wanted:
        if name not in {output.name for output in model.graph.output}:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    runner = ReferenceEvaluator(model, new_ops=[Conv, ConvTranspose, ReduceMin, ReduceMax, Resize])
    with np.errstate(all="ignore"):
        return dict(zip(wanted, runner.run(wanted, {"IMAGE": image}), strict=True))
