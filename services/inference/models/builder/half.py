"""Compares a graph whose network computes in half precision with the same graph in single precision.

The largest number in half precision is 65504. Where SPAN fails, its attention exceeds that, and the output is
no number. The uncertainty map (`DOUBT`) must mark these pixels.
"""

import numpy as np
import numpy.typing as npt

from builder import rounding, verify
from builder.errors import Refused
from builder.registry import Network

MIN_DECIBEL = 55.0
"""Peak signal-to-noise ratio on a picture like a photo. Measured: 72 to 77, with RRDB 59."""
MAX_UNCERTAINTY_LOST = 0.02
"""The share of uncertain pixels that half precision may miss, because rounding decides at the threshold."""

Array = npt.NDArray[np.generic]


def checkerboard() -> verify.Levels:
    """Return the picture that SPAN's attention fails on most; it overflows half precision."""
    y, x = np.mgrid[: verify.HEIGHT, : verify.WIDTH]
    return np.broadcast_to((x + y) % 2 * np.uint8(255), (1, 3, verify.HEIGHT, verify.WIDTH)).astype(np.uint8)


def check(network: Network, single: bytes, half: bytes, raw: str) -> float:
    """Return the peak signal-to-noise ratio in decibels. `raw` is the network's output in the graph."""
    image = verify.natural_noise()
    exact = verify.run_graph(network, single, image, [raw])[raw]
    found = rounding.run(half, image, [f"{raw}/single"])[f"{raw}/single"]
    error = np.square(np.clip(found, 0, 1) - np.clip(exact, 0, 1)).mean()
    decibel = float(-10 * np.log10(error))
    if not decibel >= MIN_DECIBEL:
        raise Refused(f"{network.name}: half precision costs too much quality, {decibel:.1f} dB are left")
    if network.has_uncertainty:
        for rough in (verify.white_noise(), checkerboard()):
            check_uncertainty(network, single, half, rough, raw)
    return decibel


def check_uncertainty(network: Network, single: bytes, half: bytes, image: verify.Levels, raw: str) -> None:
    outputs = rounding.run(half, image, ["DOUBT", f"{raw}/single"])
    uncertain, finite = outputs["DOUBT"] == 255, np.isfinite(outputs[f"{raw}/single"])
    height, width = uncertain.shape[2:]
    valid = finite.reshape(3, height, network.scale, width, network.scale).all(axis=(0, 2, 4))
    if not uncertain[0, 0][~valid].all():
        raise Refused(f"{network.name}: half precision overflows where DOUBT is not 255")
    wanted = verify.run_graph(network, single, image, [])["DOUBT"] == 255
    if np.mean(uncertain[wanted]) < 1 - MAX_UNCERTAINTY_LOST:
        raise Refused(
            f"{network.name}: in half precision DOUBT misses pixels that it marks in single precision"
        )
