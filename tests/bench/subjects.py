"""Makes the pictures of the contact sheets by subject: text, faces, foliage, fabric and night.

Their originals are this repository's photos, and photos of the packages lomiri-wallpapers and
python3-skimage.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.bench.held_out import files, reduced
from tests.bench.quality_sets import PHOTOS, Case, as_jpeg, as_png

SKIMAGE, WALLPAPERS = "python3-skimage", "lomiri-wallpapers-16.04"
NOISE = 10.0
"""Standard deviation of the noise of a night photo, in levels."""
FACE = 96
"""Width of the face in the photo, from ear to ear."""
Shown = tuple[Case, tuple[int, int]]
"""A case, and the left and top of its crop."""


def photo(name: str) -> Image.Image:
    return Image.open(PHOTOS / f"{name}.png").convert("RGB")


def of_skimage(name: str) -> Image.Image:
    return Image.open(only(files(SKIMAGE, f"**/skimage/data/{name}"))).convert("RGB")


def wallpaper(name: str) -> Image.Image:
    return reduced(Image.open(only(files(WALLPAPERS, f"**/{name}.jpg"))))


def only(paths: list[Path]) -> Path:
    [path] = paths
    return path


def case(label: str, truth: Image.Image, factor: float, quality: int | None = None, noise: float = 0) -> Case:
    """Reduce the truth by the factor, add noise, and save it as a PNG, or as a JPEG of this quality."""
    size = (round(truth.width / factor), round(truth.height / factor))
    small = truth.resize(size, Image.Resampling.BICUBIC)
    if noise:
        grain = np.random.default_rng(1).normal(0, noise, (small.height, small.width, 3))
        small = Image.fromarray(np.clip(np.rint(np.asarray(small) + grain), 0, 255).astype(np.uint8))
    return Case(label, round(factor), as_jpeg(quality)(small) if quality else as_png(small), truth)


def text() -> list[Shown]:
    page, hand, badge = of_skimage("page.png"), of_skimage("text.png"), photo("astronaut")
    return [
        (case("a printed page, enlarged twice", page, 2), (0, 40)),
        (case("the same page as a JPEG of quality 75, enlarged twice", page, 2, 75), (0, 40)),
        (case("handwriting, enlarged four times", hand, 4), (110, 20)),
        (case("a badge, enlarged twice", badge, 2), (120, 330)),
    ]


def faces() -> list[Shown]:
    truth, widths = photo("astronaut"), (24, 32, 48, 64)
    return [(case(f"a face of {each} pixels", truth, FACE / each), (155, 50)) for each in widths]


def foliage() -> list[Shown]:
    woods, leaves, lawn = (
        wallpaper(f"{name}_by_{author}")
        for name, author in (
            ("life", "Aitzol_Berasategi"),
            ("Dragonfly", "Bolly"),
            ("aitzgorri", "Aitzol_Berasategi"),
        )
    )
    return [
        (case("leaves above a brook, enlarged four times", woods, 4), (410, 210)),
        (case("the same as a JPEG of quality 75", woods, 4, 75), (410, 210)),
        (case("a dragonfly before leaves, enlarged four times", leaves, 4), (530, 320)),
        (case("a lawn before autumn trees, enlarged four times", lawn, 4), (300, 520)),
    ]


def fabric() -> list[Shown]:
    suit = photo("astronaut")
    return [
        (case("a flag, enlarged four times", suit, 4), (10, 190)),
        (case("a suit, enlarged twice", suit, 2), (130, 250)),
        (case("the same as a JPEG of quality 75, enlarged twice", suit, 2, 75), (130, 250)),
    ]


def night() -> list[Shown]:
    rocket = of_skimage("rocket.jpg")
    return [
        (case("lamps, enlarged twice", rocket, 2), (190, 283)),
        (case(f"the same with noise of {NOISE:.0f} levels", rocket, 2, noise=NOISE), (190, 283)),
        (case("the same with noise, as a JPEG of quality 75", rocket, 2, 75, NOISE), (190, 283)),
        (case("a tower with noise, enlarged four times", rocket, 4, noise=NOISE), (20, 150)),
    ]


SUBJECTS: dict[str, Callable[[], list[Shown]]] = {
    "text": text,
    "faces": faces,
    "foliage": foliage,
    "fabric": fabric,
    "night": night,
}
