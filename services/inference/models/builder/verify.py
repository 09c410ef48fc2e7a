"""Compares a graph with the network that it was made from, which ncnn runs on the CPU.

Both get the same random picture with the spectrum of a photo. White noise does not do: SPAN returns hundreds
there instead of 0..1, and two correct runtimes differ by whole units. A very smooth picture does not do
either: networks that invent details invent them from rounding errors.
"""

import tempfile
from pathlib import Path

import ncnn
import numpy as np
import numpy.typing as npt
import openvino as ov

from builder.errors import Refused
from builder.facts import Drift, Network
from builder.image_graph import CHANNELS, MAX_CORRECTION, blurring_taps
from builder.pooling import CONTEXT, FIRST_MEAN

HEIGHT, WIDTH = 72, 80
TOLERANCE = 5e-5
"""The largest difference allowed on 0..1. Measured: 2e-6, and 2e-5 with the 351 convolutions of RRDB. One
level of 255 is 4e-3, and a wrong layer costs far more.
"""

Floats = npt.NDArray[np.float32]
Levels = npt.NDArray[np.uint8]


def white_noise() -> Levels:
    return np.random.default_rng(1).integers(0, 256, (1, 3, HEIGHT, WIDTH), np.uint8)


def natural_noise() -> Levels:
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
    network: Network, graph: bytes, image: Levels, also: list[str]
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the graph's outputs, and the inner tensors named in `also`."""
    tensor = image.astype(np.float32) / np.float32(255) if network.is_float else image
    core = ov.Core()
    read = core.read_model(graph)
    if also:
        read.add_outputs(also)
    compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    tensors = {"IMAGE": tensor} | ({CONTEXT: own_means(network)} if network.pooled else {})
    result = compiled(tensors, share_inputs=False)
    return {name: result[port].copy() for port in compiled.outputs for name in port.get_names()}


def own_means(network: Network) -> Floats:
    """Return the context of a tile that is the whole picture."""
    context = np.zeros((1, FIRST_MEAN + sum(network.pooled)), np.float32)
    context[0, 1:FIRST_MEAN] = -1 - network.padding
    return context


def check_pixels(
    network: Network, graph: bytes, param: bytes, weights: bytes, names: tuple[str, str]
) -> float:
    """Return the largest difference between the two. `names` are the network's input and output."""
    image = natural_noise()
    unit = image[0].astype(np.float32) / np.float32(255)
    sides = (network.padding, network.padding)
    expected = run_ncnn(param, weights, names, np.pad(unit, ((0, 0), sides, sides), mode="edge"))
    outputs = run_graph(network, graph, image, [names[1]])
    raw, upscaled = outputs[names[1]][0], outputs["UPSCALED"][0]
    if raw.shape != (3, HEIGHT * network.scale, WIDTH * network.scale) or raw.shape != expected.shape:
        raise Refused(f"{network.name}: the graph returns {raw.shape}, ncnn {expected.shape}")
    difference = float(np.abs(raw - expected).max())
    if not difference <= TOLERANCE:
        raise Refused(f"{network.name}: differs from ncnn by {difference:.1e}, allowed are {TOLERANCE:.0e}")
    check_upscaled(network, unit, raw, upscaled)
    return difference


def check_upscaled(network: Network, unit: Floats, raw: Floats, upscaled: npt.NDArray[np.generic]) -> None:
    """Refuse an output that is not the network's result, corrected, clamped and rounded."""
    levels = upscaled.astype(np.float64) / (1 if network.is_float else 255)
    rounding = TOLERANCE + (0 if network.is_float else 0.5 / 255)
    allowed = rounding + (MAX_CORRECTION if network.drift is Drift.LEVELS else 0)
    expected = recoloured(unit, raw, network.scale) if network.drift is Drift.COLOURS else raw
    if not np.abs(levels - np.clip(expected, 0, 1)).max() <= allowed:
        raise Refused(f"{network.name}: UPSCALED is not the network's output, corrected, clamped and rounded")


def recoloured(unit: Floats, raw: Floats, scale: int) -> npt.NDArray[np.float64]:
    """Return the result with the same correction as in the graph, one axis after the other."""
    lack = unit - raw.reshape(3, HEIGHT, scale, WIDTH, scale).mean(axis=(2, 4))
    return raw + along(along(lack, scale, 1), scale, 2)


def along(lack: npt.NDArray[np.floating], scale: int, axis: int) -> npt.NDArray[np.float64]:
    count, taps = lack.shape[axis], blurring_taps()
    places = (np.arange(count * scale) + 0.5) / scale - 0.5
    weight = np.convolve(np.ones(count), taps, "same")

    def blurred_and_enlarged(line: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        return np.interp(places, np.arange(count), np.convolve(line, taps, "same") / weight)

    return np.apply_along_axis(blurred_and_enlarged, axis, lack)


def check_plain_colours(network: Network, graph: bytes) -> None:
    """Refuse a graph that changes plain colours."""
    for colour in ((0, 0, 0), (255, 255, 255), (243, 243, 243), (200, 30, 90), (12, 130, 250)):
        image = np.empty((1, CHANNELS, 16, 24), np.uint8)
        image[:] = np.array(colour, np.uint8).reshape(1, CHANNELS, 1, 1)
        result = run_graph(network, graph, image, [])["UPSCALED"].astype(np.float64)
        levels = np.rint(result * 255) if network.is_float else result
        if not np.array_equal(levels, image.repeat(network.scale, 2).repeat(network.scale, 3)):
            raise Refused(f"{network.name}: the plain colour {colour} becomes {levels[0, :, 9, 9].tolist()}")


def check_uncertainty(network: Network, graph: bytes) -> None:
    natural = run_graph(network, graph, natural_noise(), [])["DOUBT"]
    rough = run_graph(network, graph, white_noise(), [])["DOUBT"]
    if natural.shape != (1, 1, HEIGHT, WIDTH) or natural.any() or np.mean(rough == 255) < 0.5:
        raise Refused(
            f"{network.name}: DOUBT must be 0 on a natural picture and 255 nearly everywhere on white noise"
        )


def check(network: Network, graph: bytes, param: bytes, weights: bytes, names: tuple[str, str]) -> float:
    """Return the largest difference from the original. Raises `Refused`."""
    difference = check_pixels(network, graph, param, weights, names)
    if network.has_uncertainty:
        check_uncertainty(network, graph)
    if network.drift is Drift.LEVELS:
        check_plain_colours(network, graph)
    return difference
