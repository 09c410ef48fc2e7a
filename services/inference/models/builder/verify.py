"""Compares a graph with the network it was made from, run by ncnn itself on the CPU.

Both get the same random picture with the spectrum of a photo: on plain noise SPAN returns hundreds where
0..1 is meant, two correct runtimes differ by whole units there, and a bound would say nothing. On one that is
too smooth the networks that invent details do so from what was rounded.
"""

import tempfile
from pathlib import Path

import ncnn
import numpy as np
import numpy.typing as npt
import openvino as ov

from builder.errors import Refused
from builder.model import CHANNELS, MOST_CORRECTED, blurring_taps
from builder.registry import Drift, Model

HEIGHT, WIDTH = 72, 80
TOLERANCE = 5e-5
"""The largest difference on 0..1. Seen are 2e-6, and 2e-5 with the 351 convolutions of RRDB; a level of 255
is 4e-3, a wrong layer costs far more.
"""

Floats = npt.NDArray[np.float32]
Levels = npt.NDArray[np.uint8]


def noise() -> Levels:
    return np.random.default_rng(1).integers(0, 256, (1, 3, HEIGHT, WIDTH), np.uint8)


def clouds() -> Levels:
    random = np.random.default_rng(1)
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None])
    frequency[0, 0] = 1
    waves = np.fft.rfft2(random.normal(size=(4, HEIGHT, WIDTH))) / frequency**1.5
    *colours, grey = np.fft.irfft2(waves, (HEIGHT, WIDTH))
    picture = 0.4 * np.array(colours) + grey
    unit = 0.5 + 0.16 * (picture - picture.mean()) / picture.std()
    return np.rint(unit.clip(0, 1) * 255).astype(np.uint8)[None]


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
    image = clouds()
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
    check_upscaled(model, unit, raw, upscaled)
    return difference


def check_upscaled(model: Model, unit: Floats, raw: Floats, upscaled: npt.NDArray[np.generic]) -> None:
    """It is what the network returned, corrected as the model wants, clamped and rounded."""
    levels = upscaled.astype(np.float64) / (1 if model.floats else 255)
    rounding = TOLERANCE + (0 if model.floats else 0.5 / 255)
    allowed = rounding + (MOST_CORRECTED if model.drift is Drift.LEVELS else 0)
    meant = recoloured(unit, raw, model.scale) if model.drift is Drift.COLOURS else raw
    if not np.abs(levels - np.clip(meant, 0, 1)).max() <= allowed:
        raise Refused(f"{model.name}: UPSCALED is not the network's output, corrected, clamped and rounded")


def recoloured(unit: Floats, raw: Floats, scale: int) -> npt.NDArray[np.float64]:
    """The same correction as in the graph, one axis after the other."""
    lack = unit - raw.reshape(3, HEIGHT, scale, WIDTH, scale).mean(axis=(2, 4))
    return raw + along(along(lack, scale, 1), scale, 2)


def along(lack: npt.NDArray[np.floating], scale: int, axis: int) -> npt.NDArray[np.float64]:
    count, taps = lack.shape[axis], blurring_taps()
    places = (np.arange(count * scale) + 0.5) / scale - 0.5
    weight = np.convolve(np.ones(count), taps, "same")

    def blurred_and_enlarged(line: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        return np.interp(places, np.arange(count), np.convolve(line, taps, "same") / weight)

    return np.apply_along_axis(blurred_and_enlarged, axis, lack)


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
    natural = run_graph(model, graph, clouds(), [])["DOUBT"]
    rough = run_graph(model, graph, noise(), [])["DOUBT"]
    if natural.shape != (1, 1, HEIGHT, WIDTH) or natural.any() or np.mean(rough == 255) < 0.5:
        raise Refused(
            f"{model.name}: DOUBT must be nowhere on a natural picture and nearly everywhere on noise"
        )


def check(model: Model, graph: bytes, param: bytes, weights: bytes, names: tuple[str, str]) -> float:
    """The largest difference from the original."""
    difference = check_pixels(model, graph, param, weights, names)
    if model.guarded:
        check_doubt(model, graph)
    if model.drift is Drift.LEVELS:
        check_plain(model, graph)
    return difference
