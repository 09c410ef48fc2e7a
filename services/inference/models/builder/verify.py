"""Compares a graph with the network it was made from, run by ncnn itself on the CPU.

Both get the same smooth random picture: on plain noise SPAN returns hundreds where 0..1 is meant,
two correct runtimes differ by whole units there, and a bound would say nothing.
"""

import tempfile
from pathlib import Path

import ncnn
import numpy as np
import numpy.typing as npt
import openvino as ov

from builder.errors import Refused
from builder.model import CHANNELS, MOST_CORRECTED
from builder.registry import Model

HEIGHT, WIDTH = 72, 80
TOLERANCE = 2e-5
"""The largest difference on 0..1. Seen are 2e-6; one of 255 levels is 4e-3, a wrong layer costs far more."""

Floats = npt.NDArray[np.float32]
Levels = npt.NDArray[np.uint8]


def noise() -> Levels:
    return np.random.default_rng(1).integers(0, 256, (1, 3, HEIGHT, WIDTH), np.uint8)


def waves() -> Levels:
    random = np.random.default_rng(1)
    vertical, horizontal, phase = random.uniform(-0.6, 0.6, (3, 3, 8, 1, 1))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    picture = np.sin(vertical * y + horizontal * x + 10 * phase).mean(axis=1)
    return np.rint((picture + 1) * 127.5).astype(np.uint8)[None]


def run_ncnn(param: bytes, weights: bytes, names: tuple[str, str], image: Floats) -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "net.param"), Path(folder, "net.bin")
        paths[0].write_bytes(param)
        paths[1].write_bytes(weights)
        net = ncnn.Net()
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_storage = net.opt.use_winograd_convolution = False
        if net.load_param(str(paths[0])) or net.load_model(str(paths[1])):
            raise Refused("ncnn cannot read the network")
    extractor = net.create_extractor()
    extractor.input(names[0], ncnn.Mat(image).clone())
    return np.array(extractor.extract(names[1])[1])


def run_graph(
    model: Model, graph: bytes, image: Levels, also: list[str]
) -> dict[str, npt.NDArray[np.generic]]:
    """The graph's outputs, and the tensors inside it that are named."""
    given = image.astype(np.float32) / np.float32(255) if model.floats else image
    core = ov.Core()
    read = core.read_model(graph)
    if also:
        read.add_outputs(also)
    compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    result = compiled([given], share_inputs=False)
    return {name: result[port].copy() for port in compiled.outputs for name in port.get_names()}


def check_pixels(model: Model, graph: bytes, param: bytes, weights: bytes, names: tuple[str, str]) -> float:
    """The largest difference between the two; `names` are the network's input and output."""
    image = waves()
    unit = image[0].astype(np.float32) / np.float32(255)
    sides = (model.padding, model.padding)
    expected = run_ncnn(param, weights, names, np.pad(unit, ((0, 0), sides, sides), mode="edge"))
    outputs = run_graph(model, graph, image, [names[1]])
    raw, upscaled = outputs[names[1]][0], outputs["UPSCALED"][0]
    if raw.shape != (3, HEIGHT * model.scale, WIDTH * model.scale) or raw.shape != expected.shape:
        raise Refused(f"{model.name}: the graph returns {raw.shape}, ncnn {expected.shape}")
    difference = float(np.abs(raw - expected).max())
    if not difference <= TOLERANCE:
        raise Refused(f"{model.name}: differs from ncnn by {difference:.1e}, allowed are {TOLERANCE:.0e}")
    unit = np.clip(raw, 0, 1)
    if model.drifts:
        levels = upscaled if model.floats else upscaled / 255
        is_it = np.abs(levels - unit).max() <= MOST_CORRECTED + 0.5 / 255 + TOLERANCE
    else:
        is_it = np.array_equal(upscaled, unit if model.floats else np.rint(unit * 255))
    if not is_it:
        raise Refused(f"{model.name}: UPSCALED is not the network's output, clamped and rounded")
    return difference


def check_plain(model: Model, graph: bytes) -> None:
    """Plain colours come back as they were."""
    for colour in ((0, 0, 0), (255, 255, 255), (243, 243, 243), (200, 30, 90), (12, 130, 250)):
        image = np.empty((1, CHANNELS, 16, 24), np.uint8)
        image[:] = np.array(colour, np.uint8).reshape(1, CHANNELS, 1, 1)
        result = run_graph(model, graph, image, [])["UPSCALED"].astype(np.float64)
        levels = np.rint(result * 255) if model.floats else result
        if not np.array_equal(levels, image.repeat(model.scale, 2).repeat(model.scale, 3)):
            raise Refused(f"{model.name}: the plain colour {colour} becomes {levels[0, :, 9, 9].tolist()}")


def check_doubt(model: Model, graph: bytes) -> None:
    smooth = run_graph(model, graph, waves(), [])["DOUBT"]
    rough = run_graph(model, graph, noise(), [])["DOUBT"]
    if smooth.shape != (1, 1, HEIGHT, WIDTH) or smooth.any() or np.mean(rough == 255) < 0.5:
        raise Refused(
            f"{model.name}: DOUBT must be nowhere on a smooth picture and nearly everywhere on noise"
        )
