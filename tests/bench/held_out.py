"""Photos and drawings of Debian's packages. No network, level or threshold was chosen with these photos."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tests.bench.kinds import FOLDER, unpack

PHOTOS = "lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04"
NAMES = (
    "Bridge_by_Sander_Klootwijk",
    "Dragonfly_by_Bolly",
    "Kleiber_by_Lukas_Baubkus",
    "Picture_0B_by_freespace",
    "Picture_1A_by_freespace",
    "Wine_by_Jakkub_Mede",
    "aitzgorri_by_Aitzol_Berasategi",
    "friends_by_Aitzol_Berasategi",
    "greentock_by_Peter_Nerlich",
    "life_by_Aitzol_Berasategi",
    "picosdeeuropa_by_Aitzol_Berasategi",
    "seeding_by_Clements_Engelhardt",
)
NATURAL = "mate-backgrounds"
DRAWINGS = (
    ("renpy-demo", "eileen happy.png"),
    ("renpy-demo", "lucy mad.png"),
    ("renpy-thequestion", "sylvie green smile.png"),
    ("renpy-thequestion", "bg meadow.jpg"),
    ("renpy-thequestion", "bg club.jpg"),
    ("frozen-bubble-data", "back_one_player.png"),
    ("renpy-thequestion", "bg uni.jpg"),
    ("frozen-bubble-data", "back_start.png"),
)
"""Figures and backgrounds of visual novels, and backgrounds of games."""
SHORTER_SIDE = 900
"""Photos are reduced to this shorter side, which removes the traces of their own compression."""
CUT = 480
"""Width and height of the part in their middle that is compared."""


def photos() -> Sequence[Image.Image]:
    """Return the middle of twelve photos of landscapes, things, animals and rooms."""
    found = [path for package in PHOTOS for path in files(package, "**/*.jpg") if path.stem in NAMES]
    return [middle(reduced(Image.open(path))) for path in sorted(found, key=lambda path: path.stem)]


def natural_photos() -> Sequence[Image.Image]:
    """Return other photos, as an example of what is natural."""
    return [reduced(Image.open(path)) for path in files(NATURAL, "**/nature/*.jpg")]


def drawings(side: int) -> Sequence[Image.Image]:
    """Return a square of each drawing: the top of what is not transparent, on white."""
    found: list[Image.Image] = []
    for package, name in DRAWINGS:
        [path] = files(package, f"**/{name}")
        whole = Image.open(path).convert("RGBA")
        left, top, right, _ = whole.getchannel("A").getbbox() or (0, 0, *whole.size)
        left = (left + right - side) // 2
        white = Image.new("RGBA", (side, side), "white")
        white.alpha_composite(whole.crop((left, top, left + side, top + side)))
        found.append(white.convert("RGB"))
    return found


def files(package: str, pattern: str) -> list[Path]:
    """Return the package's files, after it was downloaded where that is needed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    unpack(package, FOLDER)
    found = sorted((FOLDER / package).glob(pattern))
    if not found:
        raise FileNotFoundError(f"{FOLDER / package} holds no {pattern}")
    return found


def reduced(image: Image.Image) -> Image.Image:
    share = SHORTER_SIDE / min(image.size)
    size = (round(image.width * share), round(image.height * share))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def middle(image: Image.Image) -> Image.Image:
    left, top = (image.width - CUT) // 2, (image.height - CUT) // 2
    return image.crop((left, top, left + CUT, top + CUT))
