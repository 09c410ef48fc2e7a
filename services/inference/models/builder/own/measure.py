"""Measures a network: the sides that it takes, how far it reaches, where it fails, and what it costs.

Refusals name what was measured. Everything runs in single precision with OpenVINO, as in Triton.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from builder.errors import Refused
from builder.image_graph import DRIFT, HIGHEST, LOWEST
from builder.own import traps
from builder.own.card import LARGEST_OVERLAP, Card
from builder.own.wrapping import RAW, Fit

Array = npt.NDArray[Any]
Run = Callable[[Array], dict[str, Array]]
LEVEL = 1 / 255
RUNAWAY_DISTANCE = 64 * LEVEL
"""A network that is so far from the input somewhere does not sharpen, it fails."""
RUNAWAY_BEYOND = 1.0
"""A result that is so far beyond black or white, in their distance, is a failure too."""
MOST_DOUBT = 0.02
"""The share of a natural picture that the guard may replace."""
LARGEST_DRIFT = 0.5 * LEVEL
"""With more, a block of 64 x 64 pixels of the result could lose a level. The graph then corrects colours."""
CORRECTION_REACH, GUARD_REACH = 7, 2
"""The pixels that the correction of colours and the guard add to the reach of a network."""
SEAM_CORE, GROWTH = 16, 8
TILE, HEAVY_TILE, MEMORY = 256, 128, 1 << 30
LARGE_TILE = 512
CLEAR_REFS, RESET_PEAK = Path("/proc/self/clear_refs"), "5"
"""Writing the value to the file makes the kernel measure the peak of the memory anew."""


def compiled(graph: bytes, threads: int = 2) -> Run:
    """Return a function that runs the graph on a picture and returns its outputs by name."""
    core = ov.Core()
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,
    }
    network = core.compile_model(core.read_model(graph, b""), "CPU", options)

    def run(image: Array) -> dict[str, Array]:
        result = network({"IMAGE": image}, share_inputs=False)
        return {name: result[port].copy() for port in network.outputs for name in port.get_names()}

    return run


@dataclass(frozen=True)
class Reach:
    pixels: int
    levels_beyond: float
    """The largest change beyond, in levels of 255."""


def find_reach(run: Run, factor: int) -> Reach:
    """Return how far a pixel of the input changes the result by half a level or more.

    One half of a picture is exchanged, and the columns of the other half that change are counted.
    """
    half, height = LARGEST_OVERLAP + 16, 48
    reach, beyond = 0, 0.0
    for axis in (3, 2):
        one, other = (traps.natural(height, 2 * half, seed) for seed in (4, 5))
        mixed = one.copy()
        mixed[:, :, :, :half] = other[:, :, :, :half]
        pair = [each if axis == 3 else np.ascontiguousarray(each.swapaxes(2, 3)) for each in (one, mixed)]
        results = [run(each)[RAW] for each in pair]
        change = np.abs(results[0] - results[1])
        change = change if axis == 3 else change.swapaxes(2, 3)
        columns = change.max(axis=(0, 1, 2))[half * factor :].reshape(half, factor).max(axis=1)
        if not np.isfinite(columns).all():
            raise Refused("it returns values that are no numbers for a picture like a photo")
        far = np.flatnonzero(columns > LEVEL / 2)
        own = int(far[-1]) + 1 if len(far) else 0
        reach, beyond = max(reach, own), max(beyond, float(columns[min(own, LARGEST_OVERLAP) :].max()))
    if reach > LARGEST_OVERLAP:
        raise Refused(
            f"a pixel changes the result by up to {beyond / LEVEL:.1f} levels more than {LARGEST_OVERLAP} "
            "pixels away, so tiles would show: some layer looks at the whole picture"
        )
    return Reach(reach, beyond / LEVEL)


def reduced(raw: Array, factor: int) -> Array:
    """Return the mean of each pixel's block of the result."""
    count, channels, height, width = raw.shape
    shape = count, channels, height // factor, factor, width // factor, factor
    return np.asarray(raw.reshape(shape).mean(axis=(3, 5)))


def find_drift(run: Run, factor: int) -> float:
    """Return how far the mean colour of blocks of 64 x 64 pixels of the result strays, in levels."""
    picture = traps.natural(64, 96, seed=6)
    lack = reduced(np.clip(run(picture)[RAW], 0, 1), factor) - picture
    side = 64 // factor
    blocks = lack[0].reshape(3, 64 // side, side, 96 // side, side).mean(axis=(2, 4))
    plain = [np.full((1, 3, 40, 40), level, np.float32) for level in (0.0, 0.3, 1.0)]
    colours = [np.abs(np.clip(run(each)[RAW], 0, 1) - each[0, 0, 0, 0]).mean() for each in plain]
    return float(max(np.abs(blocks).max(), *colours)) / LEVEL


def find_traps(run: Run, factor: int) -> dict[str, float]:
    """Return how far the result is from each trap, in levels: in the mean of nine pixels, or beyond white."""
    found: dict[str, float] = {}
    for name, make in traps.TRAPS.items():
        picture = make()
        raw = run(picture)[RAW]
        if not np.isfinite(raw).all():
            found[name] = float("inf")
            continue
        near = np.abs(mean_of_nine(reduced(raw, factor) - picture)).max()
        beyond = max(0.0, -float(raw.min()), float(raw.max()) - 1)
        found[name] = max(float(near), beyond * RUNAWAY_DISTANCE / RUNAWAY_BEYOND) / LEVEL
    return found


def mean_of_nine(plane: Array) -> Array:
    """Return the mean of each pixel and the eight around it: sharpening moves single pixels."""
    height, width = plane.shape[2:]
    padded = np.pad(plane, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
    shifted = (padded[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3))
    return np.asarray(sum(shifted) / 9)


def runs_away(found: dict[str, float]) -> bool:
    return max(found.values()) > RUNAWAY_DISTANCE / LEVEL


def check_guard(run: Run) -> float:
    """Return the share of a natural picture that the guard replaces. Raises `Refused` if that is much."""
    share = float(np.mean(run(traps.natural(72, 104, seed=7))["DOUBT"] > 0))
    if share > MOST_DOUBT:
        raise Refused(
            f"it runs away on the traps, and the guard against that would replace {share:.0%} of a picture "
            f"like a photo: its result leaves {LOWEST} to {HIGHEST}, or is more than {DRIFT / LEVEL:.0f} "
            "levels from the input"
        )
    return share


def find_overlap(run: Run, least: int, fit: Fit, factor: int, *, may_grow: bool) -> tuple[int, int]:
    """Return the overlap with which tiles do not show, and by how many levels they still differ.

    `least` is where the search begins. `run` takes pictures of uint8. Raises `Refused`.
    """
    overlap = -(-least // fit.step) * fit.step
    while (difference := find_seam(run, overlap, fit.step, factor)) > 1:
        if not may_grow or overlap + GROWTH > LARGEST_OVERLAP:
            raise Refused(
                f"two tiles with an overlap of {overlap} differ from the whole by {difference} levels at "
                "their seam"
            )
        overlap += GROWTH
    return overlap, difference


def find_seam(run: Run, overlap: int, step: int, factor: int) -> int:
    """Return by how many levels two tiles differ from the whole picture, of a photo and of small text."""
    width = 2 * (SEAM_CORE + overlap)
    text = np.tile(traps.small_text(), (1, 1, 1, -(-width // traps.WIDTH)))[:, :, :48, :width]
    return max(
        seam_of(run, picture, overlap, step, factor) for picture in (traps.natural(48, width, 8), text)
    )


def seam_of(run: Run, unit: Array, overlap: int, step: int, factor: int) -> int:
    picture, width = np.rint(unit * 255).astype(np.uint8), unit.shape[3]
    middle = width // 2 // step * step
    ends = (slice(0, min(width, middle + overlap)), slice(max(0, middle - overlap), width))
    whole = run(picture)["UPSCALED"]
    left, right = (run(np.ascontiguousarray(picture[:, :, :, end]))["UPSCALED"] for end in ends)
    joined = np.concatenate(
        (left[:, :, :, : middle * factor], right[:, :, :, (middle - ends[1].start) * factor :]), axis=3
    )
    return int(np.abs(joined.astype(int) - whole).max())


@dataclass(frozen=True)
class Cost:
    seconds: float
    """Processor time per megapixel of output, with one thread."""
    megabytes: float
    """Memory that a tile of 256 x 256 pixels takes, measured or estimated from a smaller one."""
    largest_tile: int
    """The longest side whose memory stays below a gigabyte; 0 if any does."""


def find_cost(graph: bytes, card: Card, overlap: int) -> Cost:
    run = compiled(graph, threads=1)
    small = np.zeros((1, 3, 64, 64), np.uint8)
    run(small)
    started = time.process_time()
    run(small)
    is_heavy = (time.process_time() - started) > 1
    side = HEAVY_TILE if is_heavy else TILE
    CLEAR_REFS.write_text(RESET_PEAK)
    before = peak_kilobytes()
    tile = np.rint(traps.natural(side, side) * 255).astype(np.uint8)
    started = time.process_time()
    run(tile)
    seconds = time.process_time() - started
    used = (peak_kilobytes() - before) * 1024 / side**2
    largest = next((each for each in (LARGE_TILE, TILE) if used * each**2 <= MEMORY), HEAVY_TILE)
    largest = max(largest, -(-(2 * overlap + 32) // 8) * 8)
    return Cost(
        seconds * 1e6 / (side * card.factor) ** 2,
        used * TILE**2 / 1e6,
        0 if largest >= LARGE_TILE else largest,
    )


def peak_kilobytes() -> int:
    """Return the most memory that this process had since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
