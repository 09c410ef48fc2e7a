"""Reads a network in ncnn's format: a text of layers (`.param`) and their weights in the same order (`.bin`).

Weights keep the precision that they are stored in. Whatever is unknown is refused, never skipped.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from builder.errors import Refused

MAGIC = "7767517"
ARRAY_KEY = -23300
FP32, FP16 = 0, 0x01306B47

Array = npt.NDArray[np.float16] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    numbers: dict[int, float] = field(default_factory=dict)
    arrays: dict[int, list[float]] = field(default_factory=dict)
    weights: dict[str, Array] = field(default_factory=dict)

    def integer(self, key: int, default: int = 0) -> int:
        return int(self.numbers.get(key, default))


class Blobs:
    """The weights, which are read from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise Refused(f"the weights end after {len(self._data)} bytes, {self._at + count} are needed")
        self._at += count
        return self._data[self._at - count : self._at]

    def plain(self, count: int) -> Array:
        return np.frombuffer(self._take(4 * count), "<f4")

    def flagged(self, count: int) -> Array:
        """Read numbers that follow four bytes with their precision."""
        flag = int.from_bytes(self._take(4), "little")
        if flag == FP32:
            return self.plain(count)
        if flag != FP16:
            raise Refused(f"weights of an unknown kind {flag:#010x} at byte {self._at - 4}")
        return np.frombuffer(self._take((2 * count + 3) // 4 * 4), "<f2")[:count]

    def left(self) -> int:
        return len(self._data) - self._at


def convolution(layer: Layer, blobs: Blobs) -> dict[str, Array]:
    outputs, width = layer.integer(0), layer.integer(1)
    height = layer.integer(11, width)
    weight = blobs.flagged(layer.integer(6)).reshape(outputs, -1, height, width)
    return {"weight": weight} | ({"bias": blobs.plain(outputs)} if layer.integer(5) else {})


def inner_product(layer: Layer, blobs: Blobs) -> dict[str, Array]:
    outputs = layer.integer(0)
    weight = blobs.flagged(layer.integer(2)).reshape(outputs, -1, 1, 1)
    return {"weight": weight} | ({"bias": blobs.plain(outputs)} if layer.integer(1) else {})


def slopes(layer: Layer, blobs: Blobs) -> dict[str, Array]:
    return {"slope": blobs.plain(layer.integer(0))}


def memory(layer: Layer, blobs: Blobs) -> dict[str, Array]:
    width, height, channels = (layer.integer(key) for key in (0, 1, 2))
    shape = tuple(size for size in (channels, height, width) if size)
    return {"data": blobs.plain(math.prod(shape)).reshape(shape)}


READERS: dict[str, Callable[[Layer, Blobs], dict[str, Array]]] = {
    "Convolution": convolution,
    "Deconvolution": convolution,
    "InnerProduct": inner_product,
    "PReLU": slopes,
    "MemoryData": memory,
}


def parse_line(line: str) -> Layer:
    kind, name, *rest = line.split()
    inputs, outputs = int(rest[0]), int(rest[1])
    blobs, options = rest[2 : 2 + inputs + outputs], rest[2 + inputs + outputs :]
    layer = Layer(kind, name, blobs[:inputs], blobs[inputs:])
    for option in options:
        key, _, value = option.partition("=")
        if int(key) <= ARRAY_KEY:
            layer.arrays[ARRAY_KEY - int(key)] = [float(item) for item in value.split(",")[1:]]
        else:
            layer.numbers[int(key)] = float(value)
    return layer


def parse_text(text: str) -> Iterable[Layer]:
    magic, counts, *lines = text.split("\n")
    if magic.strip() != MAGIC:
        raise Refused(f"not a network of ncnn: the first line is {magic!r}")
    lines = [line for line in lines if line.strip()]
    if len(lines) != int(counts.split()[0]):
        raise Refused(f"{len(lines)} layers, but the header announces {counts.split()[0]}")
    return map(parse_line, lines)


def read(param: bytes, weights: bytes) -> list[Layer]:
    layers, blobs = list(parse_text(param.decode())), Blobs(weights)
    for layer in layers:
        if layer.kind in READERS:
            layer.weights.update(READERS[layer.kind](layer, blobs))
    if blobs.left():
        raise Refused(f"{blobs.left()} bytes of weights belong to no layer")
    return layers
