"""Draw the same detail of a photo twice: enlarged with bicubic interpolation, and as Loupe made it.

Both files are decoded as the worker decodes a photo, so that both sides show the same colours. Transparent
pixels show a chequered background. Of an animation, the first frame is shown.
"""

import io
from pathlib import Path

from PIL import Image, ImageDraw, UnidentifiedImageError

from inference.decoding import modes
from loupe_local.demo.detail import Box, read_detail

LONGEST_SIDE = 640
"""Side of the detail, in pixels of the result. A smaller result is shown as a whole."""
MAGNIFIED_BELOW, MAGNIFIED_TO = 160, 320
"""A detail whose sides are shorter than the first number is shown about as large as the second."""
GAP, LABEL_HEIGHT = 8, 20
NARROWEST = 180
"""The labels fit into this width."""
SQUARE, LIGHT, DARK = 8, 255, 204
"""Side of the squares behind transparent pixels, and their two shades."""
MARGIN = 4
"""The interpolation needs this many pixels around the detail."""


def draw(original: bytes, result: bytes, size: tuple[int, int], scale: int, path: Path) -> None:
    """Write both details side by side. `size` is the original's, upright."""
    Image.MAX_IMAGE_PIXELS = None  # Pillow must not refuse these two pictures: Loupe has checked them
    box = detail_box(size, scale)
    before, after = enlarge(original, size, box, scale), read_detail(result, _times(box, scale))
    zoom = MAGNIFIED_TO // max(after.size) if max(after.size) < MAGNIFIED_BELOW else 1
    notes = f", pixels x{zoom}" if zoom > 1 else ""
    width, height = max(after.width * zoom, NARROWEST), after.height * zoom
    sheet = Image.new("RGB", (2 * width + GAP, height + LABEL_HEIGHT), "white")
    pen = ImageDraw.Draw(sheet)
    for left, label, panel in ((0, "bicubic", before), (width + GAP, "Loupe", after)):
        shown = on_squares(panel).resize((panel.width * zoom, height), Image.Resampling.NEAREST)
        sheet.paste(shown, (left, 0))
        pen.text((left + 2, height + 4), f"{label} x{scale}{notes}", fill="black")
    sheet.save(path, icc_profile=_profile(result))


def detail_box(size: tuple[int, int], scale: int) -> Box:
    """Return the part of the original that is shown: from its middle, and from a third of its height."""
    width, height = (min(side, LONGEST_SIDE // scale) for side in size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 3
    return left, top, left + width, top + height


def enlarge(original: bytes, size: tuple[int, int], box: Box, scale: int) -> Image.Image:
    """Return the detail, enlarged with bicubic interpolation as if the whole photo were enlarged."""
    left, top = max(0, box[0] - MARGIN), max(0, box[1] - MARGIN)
    around = left, top, min(size[0], box[2] + MARGIN), min(size[1], box[3] + MARGIN)
    inner = box[0] - left, box[1] - top, box[2] - left, box[3] - top
    target = (box[2] - box[0]) * scale, (box[3] - box[1]) * scale
    return read_detail(original, around).resize(target, Image.Resampling.BICUBIC, box=inner)


def on_squares(picture: Image.Image) -> Image.Image:
    """Return the picture in RGB. A transparent one is laid over light squares."""
    if picture.mode not in modes.ALPHA_MODES:
        return picture.convert("RGB")
    squares = Image.new("RGBA", picture.size, (LIGHT, LIGHT, LIGHT))
    pen = ImageDraw.Draw(squares)
    for top in range(0, picture.height, SQUARE):
        for left in range(top // SQUARE % 2 * SQUARE, picture.width, 2 * SQUARE):
            pen.rectangle((left, top, left + SQUARE - 1, top + SQUARE - 1), fill=(DARK, DARK, DARK))
    return Image.alpha_composite(squares, picture.convert("RGBA")).convert("RGB")


def _times(box: Box, scale: int) -> Box:
    return box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale


def _profile(result: bytes) -> bytes | None:
    """Return the colour profile of the result if it is one for RGB."""
    try:
        with Image.open(io.BytesIO(result)) as opened:
            icc = opened.info.get("icc_profile") or b""
    except UnidentifiedImageError:  # a TIFF that Pillow does not open
        return None
    return modes.usable_profile(icc, is_grey=False) or None
