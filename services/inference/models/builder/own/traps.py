"""Pictures on which networks for photos fail: small text, lines of one pixel, dithering and noise.

They are made from numbers, so that they need no fonts.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

HEIGHT, WIDTH = 72, 104
Picture = npt.NDArray[np.float32]
"""1 x 3 x height x width, from 0 to 1."""
LETTERS = ("01110100011000111111100011000110001", "11110100011111010001100011000111110",
           "01111100001000010000100001000001111", "11111100001000011110100001000011111",
           "10001110011010110101101011001110001", "11111001000010000100001000010000100")  # fmt: skip
"""Letters of 5 x 7 pixels."""


def small_text() -> Picture:
    plane = np.ones((HEIGHT, WIDTH), np.float32)
    for row, top in enumerate(range(2, HEIGHT - 8, 10)):
        for column, left in enumerate(range(2, WIDTH - 6, 6)):
            letter = LETTERS[(row * 7 + column * 5) % len(LETTERS)]
            cell = np.array([int(each) for each in letter], np.float32).reshape(7, 5)
            plane[top : top + 7, left : left + 5] -= cell * (1.0 if row % 3 else 0.8)
    return in_colours(plane)


def thin_lines() -> Picture:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    slanted, grid = (x + y * 3) % 11 == 0, ((x % 9 == 0) | (y % 7 == 0)) & (x > WIDTH // 2)
    return in_colours((slanted & (x <= WIDTH // 2)) | grid)


def dithering() -> Picture:
    order = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16
    ramp = np.linspace(0, 1, WIDTH)[None].repeat(HEIGHT, 0)
    return in_colours(ramp > np.tile(order, (HEIGHT // 4, WIDTH // 4)))


def checkerboard() -> Picture:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return in_colours((x + y) % 2)


def noise() -> Picture:
    return np.random.default_rng(1).random((1, 3, HEIGHT, WIDTH), np.float32)


def speckles() -> Picture:
    """Return white and black pixels on grey."""
    chance = np.random.default_rng(2).random((HEIGHT, WIDTH))
    return in_colours(np.where(chance < 0.04, 0.0, np.where(chance > 0.96, 1.0, 0.5)))


def in_colours(plane: npt.ArrayLike) -> Picture:
    return np.broadcast_to(np.asarray(plane, np.float32), (1, 3, HEIGHT, WIDTH)).copy()


TRAPS: dict[str, Callable[[], Picture]] = {
    "small text": small_text,
    "lines of one pixel": thin_lines,
    "dithering": dithering,
    "a checkerboard": checkerboard,
    "noise": noise,
    "speckles": speckles,
}


def natural(height: int, width: int, seed: int = 1) -> Picture:
    """Return a picture with the spectrum of a photo."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    waves = np.fft.rfft2(random.normal(size=(4, height, width))) / frequency**1.5
    *colours, grey = np.fft.irfft2(waves, (height, width))
    picture = 0.4 * np.array(colours) + grey
    unit = 0.5 + 0.16 * (picture - picture.mean()) / picture.std()
    return unit.clip(0, 1).astype(np.float32)[None]
