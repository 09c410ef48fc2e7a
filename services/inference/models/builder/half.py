"""Compares a graph whose network computes in half precision with the same in single precision.

Half precision ends at 65504, and SPAN's attention, where it runs away, goes beyond: then the output is no
number, and `DOUBT` must say so.
"""

import numpy as np
import numpy.typing as npt

from builder import rounding, verify
from builder.errors import Refused
from builder.registry import Model

LEAST_DECIBEL = 55.0
"""Of the peak, on a picture like a photo. Seen are 72 to 77, with RRDB 59: what rounding to levels costs."""
MOST_DOUBT_LOST = 0.02
"""The share of what is doubted in single precision: rounding decides at the threshold."""

Array = npt.NDArray[np.generic]


def checkers() -> verify.Levels:
    """What SPAN's attention fails on most: it overflows half precision."""
    y, x = np.mgrid[: verify.HEIGHT, : verify.WIDTH]
    return np.broadcast_to((x + y) % 2 * np.uint8(255), (1, 3, verify.HEIGHT, verify.WIDTH)).astype(np.uint8)


def check(model: Model, single: bytes, half: bytes, raw: str) -> float:
    """The peak signal-to-noise ratio; `raw` is the network's output in the graph."""
    image = verify.clouds()
    exact = verify.run_graph(model, single, image, [raw])[raw]
    found = rounding.run(half, image, [f"{raw}/single"])[f"{raw}/single"]
    error = np.square(np.clip(found, 0, 1) - np.clip(exact, 0, 1)).mean()
    decibel = float(-10 * np.log10(error))
    if not decibel >= LEAST_DECIBEL:
        raise Refused(f"{model.name}: half precision costs too much, {decibel:.1f} dB are left")
    if model.guarded:
        for rough in (verify.noise(), checkers()):
            check_doubt(model, single, half, rough, raw)
    return decibel


def check_doubt(model: Model, single: bytes, half: bytes, image: verify.Levels, raw: str) -> None:
    outputs = rounding.run(half, image, ["DOUBT", f"{raw}/single"])
    doubt, finite = outputs["DOUBT"] == 255, np.isfinite(outputs[f"{raw}/single"])
    height, width = doubt.shape[2:]
    sound = finite.reshape(3, height, model.scale, width, model.scale).all(axis=(0, 2, 4))
    if not doubt[0, 0][~sound].all():
        raise Refused(f"{model.name}: half precision overflows where DOUBT does not tell")
    wanted = verify.run_graph(model, single, image, [])["DOUBT"] == 255
    if np.mean(doubt[wanted]) < 1 - MOST_DOUBT_LOST:
        raise Refused(f"{model.name}: in half precision DOUBT misses what it tells in single precision")
