"""`make bench-quality SET=contact_sheet` writes images of crops to docs, enlarged by every method.

People look at them for halos and other faults that figures do not show. One sheet has the kinds of pictures
of `make bench-quality`, the others a subject each.
"""

import asyncio
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from inference.decoding.pool import Decoder
from loupe_local.state import REPOSITORY
from tests.bench.quality import METHODS, Models, results_of
from tests.bench.quality_sets import Case, cases
from tests.bench.subjects import SUBJECTS, Shown

DOCS = REPOSITORY / "docs"
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


def kinds() -> list[Shown]:
    """Return pictures of several kinds, with the corner of the crop that is shown."""
    found: dict[str, list[Case]] = {}
    for case in cases(FACTOR):
        found.setdefault(case.kind, []).append(case)
    return [(found[kind][index], corner) for kind, places in SHOWN.items() for index, corner in places]


async def rows(shown: Sequence[Shown]) -> list[Row]:
    decoder, models = Decoder(), Models("f32")
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
    pages = {"contact-sheet.jpg": kinds} | {f"sheet-{name}.webp": each for name, each in SUBJECTS.items()}
    for name, shown in pages.items():
        page = sheet(asyncio.run(rows(shown())))
        page.save(DOCS / name, quality=80 if name.endswith(".webp") else 90, subsampling=0)
        print(f"written to {DOCS / name}")


if __name__ == "__main__":
    main()
