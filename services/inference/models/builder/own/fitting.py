"""Finds out how pictures must be cut for a network, and whether the graph around it changes its results."""

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, TensorProto

from builder.errors import Refused
from builder.own import traps
from builder.own.card import Card
from builder.own.measure import LEVEL, Run
from builder.own.wrapping import RAW, Fit, first_line, input_of

SIDES = ((64, 64), (96, 80))
STEPS = (1, 2, 4, 8)
LARGEST_STEP = 2
"""Tiles may begin at even pixels only, but not at multiples of 4."""


def original(network: ModelProto, card: Card) -> Callable[[int, int], tuple[int, int] | str]:
    """Return a function that says how large the result of a tile is, or why there is none."""
    import onnxruntime as ort  # noqa: PLC0415

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 2, 4
    try:
        session = ort.InferenceSession(
            network.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # noqa: BLE001  the runtime raises many kinds
        raise Refused(f"ONNX Runtime cannot load it: {first_line(error)}") from None
    name, channels = session.get_inputs()[0].name, 1 if card.channels == "grey" else 3
    kind = np.float16 if "float16" in session.get_inputs()[0].type else np.float32

    def size_of(height: int, width: int) -> tuple[int, int] | str:
        tile = np.full((1, channels, height, width), (card.lowest + card.highest) / 2, kind)
        try:
            shape = session.run(None, {name: tile})[0].shape
        except Exception as error:  # noqa: BLE001
            return first_line(error)
        if len(shape) != 4 or shape[1] != channels:
            return f"a result of the shape {shape}"
        return shape[2], shape[3]

    return size_of


def find_fit(network: ModelProto, card: Card) -> Fit:
    """Return how pictures must be cut for the network, from the sizes of its results."""
    size_of, factor = original(network, card), card.factor
    found = {sides: size_of(*sides) for sides in SIDES}
    for (height, width), size in found.items():
        if isinstance(size, str):
            raise Refused(f"a tile of {width} x {height} pixels has no result: {size}")
    lacks = {
        factor * side - got for sides, size in found.items() for side, got in zip(sides, size, strict=True)
    }
    if len(lacks) > 1 or min(lacks) < 0:
        size = found[SIDES[0]]
        raise Refused(
            f"a tile of 64 x 64 pixels becomes {size[1]} x {size[0]}, which is not {factor} times as large"
        )
    lack = lacks.pop()
    padding = -(-lack // (2 * factor))
    cut = factor * padding - lack // 2
    for step in STEPS[: STEPS.index(LARGEST_STEP) + 1]:
        sides = 64 + step, 64 + 3 * step
        if size_of(*sides) == tuple(factor * side - lack for side in sides):
            return Fit(padding, cut, step)
    raise Refused("it takes no tile of 66 x 70 pixels; sides must be free, or any even number")


def find_step(run: Run, fit: Fit, reach: int, factor: int) -> int:
    """Return the pixels from one place to the next where a tile may begin, without a change of its result."""
    side = 2 * reach + 24
    picture = traps.natural(side + 8, side + 8, seed=3)
    whole = run(picture)[RAW]
    inner = slice(reach * factor, (side - reach) * factor)
    for step in STEPS:
        moved = run(np.ascontiguousarray(picture[:, :, step : step + side, step : step + side]))[RAW]
        same = whole[:, :, step * factor :, step * factor :][:, :, inner, inner]
        difference = np.abs(moved[:, :, inner, inner] - same).max()
        if difference <= LEVEL and step >= fit.step:
            break
    else:
        raise Refused(
            f"its result changes by {difference / LEVEL:.0f} levels with the place where a tile begins"
        )
    if step > LARGEST_STEP:
        raise Refused(
            f"tiles would have to begin at multiples of {step} pixels; only even pixels can be kept"
        )
    return step


def difference_from_original(network: ModelProto, card: Card, fit: Fit, run: Run) -> float:
    """Return the largest difference of the graph from the network in ONNX Runtime, on 0 to 1."""
    import onnxruntime as ort  # noqa: PLC0415

    picture = traps.natural(64, 64, seed=9)
    kind = np.float16 if input_of(network).type.tensor_type.elem_type == TensorProto.FLOAT16 else np.float32
    given = np.pad(
        picture, ((0, 0), (0, 0), *[(fit.padding, fit.padding + -2 * fit.padding % fit.step)] * 2), "edge"
    )
    given = given[:, ::-1] if card.channels == "bgr" else given
    given = given.swapaxes(0, 1) if card.channels == "grey" else given
    given = np.ascontiguousarray(given * (card.highest - card.lowest) + card.lowest).astype(kind)
    session = ort.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    result = session.run(None, {session.get_inputs()[0].name: given})[0].astype(np.float32)
    result = (result - card.lowest) / (card.highest - card.lowest)
    result = result.swapaxes(0, 1) if card.channels == "grey" else result
    result = result[:, ::-1] if card.channels == "bgr" else result
    inner = slice(fit.cut, fit.cut + 64 * card.factor)
    return float(np.abs(result[:, :, inner, inner] - run(picture)[RAW]).max())
