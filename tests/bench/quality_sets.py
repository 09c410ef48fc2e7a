"""Makes the pictures that models are compared on: files whose larger original is known.

Each case is a file, as it would be uploaded, and its original, the truth. Photos are cut from docs/photos.
Everything else is drawn at the size of the file and again at that of the truth, so that no truth is enlarged.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tests.pixels import encoded

PHOTOS = Path(__file__).parents[2] / "docs" / "photos"
CUTS = (("astronaut", (130, 20)), ("chelsea", (100, 20)), ("coffee", (180, 100)))
"""The part that is cut from each photo: its left and top."""
CUT = 240
"""Width and height of that part."""
DRAWN = 2
"""How many pictures of each kind are drawn."""
INPUT = (144, 112)
"""Width and height of a drawn file."""
FINE = 8
"""Drawings are made this many times larger and then reduced, for anti-aliasing."""
TEXT = "Save changes to the selected layer? Copy Paste Export 1,024 of 8,192 pixels (12.5 %) done"
WORDS = TEXT.split()
THEMES = (
    ("#ffffff", "#202124", "#1a73e8", "#dadce0"),
    ("#1e1e1e", "#d4d4d4", "#569cd6", "#3c3c3c"),
    ("#f3f3f3", "#000000", "#c42b1c", "#999999"),
)
"""Background, text, accent and line of some user interfaces."""
Scene = Callable[[int, int], Image.Image]
"""Draws the picture with this number at this scale."""
Save = Callable[[Image.Image], bytes]


@dataclass(frozen=True, slots=True)
class Case:
    kind: str
    factor: int
    file: bytes
    truth: Image.Image


def cases(factor: int) -> Iterator[Case]:
    """Yield all cases of one factor, kind by kind."""
    yield from photos(factor)
    truth = on_white()
    yield Case("photo on white", factor, encoded(smaller(truth, factor), "PNG"), truth)
    for kind, (scene, save) in SCENES.items():
        for number in range(DRAWN):
            yield Case(kind, factor, save(scene(number, 1)), scene(number, factor))


def photos(factor: int) -> Iterator[Case]:
    """Yield photos. Few colours count as damage, as JPEG's does: the truth has all colours."""
    whole = [photo(*cut) for cut in CUTS]
    for kind, save in PHOTO_KINDS.items():
        for truth in whole:
            yield Case(kind, factor, save(smaller(truth, factor)), truth)


def smaller(image: Image.Image, factor: int) -> Image.Image:
    return image.resize((image.width // factor, image.height // factor), Image.Resampling.BICUBIC)


def on_white() -> Image.Image:
    """Return an object that is cut out on white, as in shops."""
    picture = photo(*CUTS[2])
    shape = Image.new("L", (CUT * 4, CUT * 4))
    ImageDraw.Draw(shape).ellipse((CUT * 0.9, CUT * 0.9, CUT * 3.1, CUT * 3.1), 255)
    return Image.composite(picture, Image.new("RGB", picture.size, "white"), shape.resize(picture.size))


def photo(name: str, corner: tuple[int, int]) -> Image.Image:
    left, top = corner
    return Image.open(PHOTOS / f"{name}.png").convert("RGB").crop((left, top, left + CUT, top + CUT))


def as_png(image: Image.Image) -> bytes:
    return encoded(image, "PNG")


def as_jpeg(quality: int) -> Save:
    """Return a writer of JPEGs with half the colour resolution, as most JPEGs have."""
    return lambda image: encoded(image, quality=quality, subsampling=2)


def in_colours(count: int, dither: Image.Dither) -> Save:
    def save(image: Image.Image) -> bytes:
        palette = image.quantize(count)
        return as_png(image.quantize(palette=palette, dither=dither))

    return save


def screenshot(number: int, scale: int) -> Image.Image:
    """Draw boxes, lines of one pixel and text of 9 to 13 pixels."""
    background, ink, accent, line = THEMES[number]
    unit = scale * FINE
    image = Image.new("RGB", (INPUT[0] * unit, INPUT[1] * unit), background)
    draw = ImageDraw.Draw(image)
    box(draw, (0, 0, INPUT[0], 16), accent, unit)
    write(draw, (5, 12), " ".join(WORDS[number : number + 3]), 11, background, unit)
    for edges in ((4, 20, 64, 21), (4, 20, 5, 50), (63, 20, 64, 50), (4, 49, 64, 50)):
        box(draw, edges, line, unit)
    write(draw, (8, 40), WORDS[number + 5], 13, accent, unit)
    box(draw, (76, 24, 136, 44), line, unit)
    write(draw, (80, 38), WORDS[8 + number], 10, ink, unit)
    for row, size in enumerate((9, 10, 11, 12)):
        text = " ".join(WORDS[(3 * row + number) % 8 :][:4])
        write(draw, (6, 64 + 14 * row), text, size, ink, unit)
    return reduced(image, scale)


def box(draw: ImageDraw.ImageDraw, edges: tuple[int, int, int, int], colour: str, unit: int) -> None:
    left, top, right, bottom = (edge * unit for edge in edges)
    draw.rectangle((left, top, right - 1, bottom - 1), colour)


def write(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: int, colour: str, unit: int
) -> None:
    """Draw text from the left of its base line, letter by letter: a font's spacing differs between sizes."""
    font, exact = ImageFont.load_default(size * unit), ImageFont.load_default(size * 16)
    left, base = place
    for letter in text:
        draw.text((left * unit, base * unit), letter, colour, font, anchor="ls")
        left += exact.getlength(letter) / 16


def reduced(image: Image.Image, scale: int) -> Image.Image:
    return image.resize((INPUT[0] * scale, INPUT[1] * scale), Image.Resampling.BOX)


def line_art(number: int, scale: int) -> Image.Image:
    return reduced(drawing(number, scale), scale)


def drawing(number: int, scale: int) -> Image.Image:
    """Draw circles and lines of 1 to 3 pixels' width on a plain colour, FINE times too large."""
    rng, unit = random.Random(number), scale * FINE
    image = Image.new("RGB", (INPUT[0] * unit, INPUT[1] * unit), ("white", "#fdf6e3", "white")[number])
    draw = ImageDraw.Draw(image)

    def point() -> tuple[float, float]:
        return rng.uniform(0, INPUT[0]), rng.uniform(0, INPUT[1])

    for _ in range(7):
        (x, y), radius, width = point(), rng.uniform(6, 30), rng.choice((1, 1.5, 2, 3))
        fill = None if number == 2 else rng.choice(("#e76f51", "#2a9d8f", "#e9c46a", "#8ecae6"))
        around = [each * unit for each in (x - radius, y - radius, x + radius, y + radius)]
        draw.ellipse(around, fill, "black", round(width * unit))
    for _ in range(6):
        corners = [(x * unit, y * unit) for x, y in (point(), point(), point())]
        draw.line(corners, "black", round(rng.choice((1, 1, 2)) * unit), joint="curve")
    return image


def scan(number: int, scale: int) -> Image.Image:
    """Draw a page of text, a drawing, or both, in black and white without grey."""
    unit = scale * FINE
    blank = Image.new("RGB", (INPUT[0] * unit, INPUT[1] * unit), "white")
    page = drawing(2, scale) if number else blank
    draw = ImageDraw.Draw(page)
    if number != 1:
        for row, size in enumerate((14, 17, 20, 24)):
            write(draw, (4, 22 + 26 * row), " ".join(WORDS[2 * row : 2 * row + 3]), size, "black", unit)
    return reduced(page.convert("L"), scale).point([0] * 128 + [255] * 128).convert("1")


def with_photo(number: int, scale: int) -> Image.Image:
    """Draw a screenshot with a photo in it."""
    image, size = screenshot(number, scale), (64 * scale, 56 * scale)
    image.paste(photo(*CUTS[number]).resize(size, Image.Resampling.BICUBIC), (76 * scale, 52 * scale))
    return image


PHOTO_KINDS: dict[str, Save] = {
    "photo": as_png,
    "photo grey": lambda image: as_png(image.convert("L")),
    "photo q95": as_jpeg(95),
    "photo q90": as_jpeg(90),
    "photo q75": as_jpeg(75),
    "photo webp 80": lambda image: encoded(image, "WEBP", quality=80),
    "16 colours": in_colours(16, Image.Dither.NONE),
    "64 colours": in_colours(64, Image.Dither.NONE),
    "256 colours": in_colours(256, Image.Dither.NONE),
    "16 dithered": in_colours(16, Image.Dither.FLOYDSTEINBERG),
    "64 dithered": in_colours(64, Image.Dither.FLOYDSTEINBERG),
    "256 dithered": in_colours(256, Image.Dither.FLOYDSTEINBERG),
}
SCENES: dict[str, tuple[Scene, Save]] = {
    "screenshot": (screenshot, as_png),
    "screenshot q95": (screenshot, as_jpeg(95)),
    "screenshot q90": (screenshot, as_jpeg(90)),
    "photo in it": (with_photo, as_png),
    "line art": (line_art, as_png),
    "1-bit": (scan, as_png),
}
