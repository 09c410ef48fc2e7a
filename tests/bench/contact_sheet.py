"""`python -m tests.bench.contact_sheet FILE` writes an image of crops, upscaled by every method.

People look at them for halos and other faults that figures do not show.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from inference.decoding.pool import Decoder
from tests.bench.quality import METHODS, Models, results_of
from tests.bench.quality_sets import Case, cases

FACTOR = 4
SIDE = 144
"""Side of a crop in pixels of the result. The crops are not scaled."""
GAP, LABEL = 4, 18
SHOWN = {
    "photo": [(0, (250, 330)), (1, (330, 340))],
    "photo q75": [(2, (330, 380))],
    "16 dithered": [(1, (330, 340))],
    "photo on white": [(0, (560, 200))],
    "screenshot": [(0, (20, 100)), (1, (24, 240))],
    "line art": [(0, (190, 130))],
    "1-bit": [(0, (40, 130))],
}
"""The crops by kind of picture: the number of the picture, and the crop's left and top."""
Row = tuple[str, list[Image.Image]]


async def rows() -> list[Row]:
    decoder, models = Decoder(), Models("f32")
    found: dict[str, list[Case]] = {}
    for case in cases(FACTOR):
        found.setdefault(case.kind, []).append(case)
    shown = [(found[kind][index], corner) for kind, places in SHOWN.items() for index, corner in places]
    result = [await row(case, corner, decoder, models) for case, corner in shown]
    await decoder.aclose()
    return result


async def row(case: Case, corner: tuple[int, int], decoder: Decoder, models: Models) -> Row:
    images, reason = await results_of(case, decoder, models, None)
    box = clipped(corner, case.truth.size)
    crops = [image.convert("RGB").crop(box) for image in (case.truth, *(images[name] for name in METHODS))]
    return f"{case.kind}: auto chose by {reason}", crops


def clipped(corner: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top = (max(0, min(at, side - SIDE)) for at, side in zip(corner, size, strict=True))
    return left, top, left + SIDE, top + SIDE


def sheet(content: Sequence[Row]) -> Image.Image:
    columns = ("original", *METHODS)
    width = GAP + len(columns) * (SIDE + GAP)
    height = LABEL + len(content) * (LABEL + SIDE + GAP)
    page, font = Image.new("RGB", (width, height), "white"), ImageFont.load_default(12)
    draw = ImageDraw.Draw(page)
    for column, name in enumerate(columns):
        draw.text((GAP + column * (SIDE + GAP), 3), name, "black", font)
    for index, (label, crops) in enumerate(content):
        top = LABEL + index * (LABEL + SIDE + GAP)
        draw.text((GAP, top + 3), label, "#666666", font)
        for column, crop in enumerate(crops):
            page.paste(crop, (GAP + column * (SIDE + GAP), top + LABEL))
    return page


def main() -> None:
    target = Path(sys.argv[1])
    sheet(asyncio.run(rows())).save(target, quality=90, subsampling=0)
    print(f"written to {target}")


if __name__ == "__main__":
    main()
