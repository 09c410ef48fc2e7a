"""`make bench-quality SET=worn`: compares ways to enlarge worn photos, those that are not built in too.

The photos are of Debian's packages and were not used to choose a network or a level of denoising. Each is
reduced, saved as a JPEG, decoded by the worker's own child and enlarged.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from inference.decoding.pool import Decoder
from inference.networks.auto import level_for
from inference.networks.registry import Model
from inference.picture import Picture, Size
from loupe_local.state import REPOSITORY
from tests.bench import niqe
from tests.bench.held_out import natural_photos, photos
from tests.bench.quality import BUILT_ENHANCE, Models, as_image
from tests.bench.quality_scores import ms_ssim, psnr
from tests.bench.quality_sets import as_jpeg, smaller
from tests.inference.built_models import ART, CLEAN, FAITHFUL

Plane = npt.NDArray[np.float32]

RESULT = REPOSITORY / ".loupe" / "worn.md"
QUALITIES = (30, 45, 60, 75)
FACTORS = (2, 4)
DEFAULT = "`clean`, the default"
BLOCK = 8
"""Side of JPEG's blocks."""
BLOCKY = 2.0
"""Levels. A place is worn out if jumps at the borders of JPEG's blocks exceed those beside them by more."""


async def ways(picture: Picture, size: Size, models: Models) -> dict[str, Image.Image]:
    """Return the result of each way to enlarge the picture."""
    level = level_for(picture, CLEAN)
    clean, plain = CLEAN.at(level), as_image(picture.pixels)
    double = (2 * picture.width, 2 * picture.height)

    async def by(model: Model, what: Picture = picture, to: Size = size) -> Image.Image:
        return await models.upscaled(what, to, model)

    found = {
        "Lanczos": plain.resize(size, Image.Resampling.LANCZOS),
        "`faithful`": await by(FAITHFUL),
        "`clean` 2, the default before": await by(CLEAN.at(2)),
        DEFAULT: await by(clean),
        "`art`": await by(ART.at(level)),
    }
    cleaned = await by(clean, to=double)
    single = as_picture(cleaned.resize(plain.size, Image.Resampling.LANCZOS))
    found["`clean` x1, then `faithful`"] = await by(FAITHFUL, single)
    if double != size:
        found["`clean` x2, then `faithful` x2"] = await by(FAITHFUL, as_picture(cleaned))
        found["`clean` x2, then `clean` 0 x2"] = await by(CLEAN.at(0), as_picture(cleaned))
    worn = Image.fromarray(np.rint(255 * blockiness(plain)).astype(np.uint8))
    share = worn.resize(size, Image.Resampling.BICUBIC)
    found["`clean` where it is blocky, else `faithful`"] = Image.composite(
        found[DEFAULT], found["`faithful`"], share
    )
    found["mean of `clean` and `faithful`"] = Image.blend(found[DEFAULT], found["`faithful`"], 0.5)
    if BUILT_ENHANCE:
        sharp = await by(BUILT_ENHANCE[-1])
        found["`clean` and a quarter of `enhance`"] = Image.blend(found[DEFAULT], sharp, 0.25)
    return found


def as_picture(image: Image.Image) -> Picture:
    return Picture(np.asarray(image.convert("RGB")), "PNG")


def blockiness(image: Image.Image) -> Plane:
    """Return how worn each pixel's surroundings are, 0 to 1, by the jumps between JPEG's blocks."""
    luma = np.asarray(image.convert("L"), np.float32)
    jumps = np.zeros_like(luma)
    for plane, target in ((luma, jumps), (luma.T, jumps.T)):
        steps = np.abs(np.diff(plane, axis=1))
        for at in range(BLOCK, plane.shape[1] - BLOCK, BLOCK):
            beside = (steps[:, at - 2] + steps[:, at]) / 2
            target[:, at - BLOCK : at + BLOCK] += (np.maximum(0, steps[:, at - 1] - beside) / 2)[:, None]
    blocks = (max(1, image.width // BLOCK), max(1, image.height // BLOCK))
    means = Image.fromarray(jumps).resize(blocks, Image.Resampling.BOX)
    found = np.asarray(means.resize(image.size, Image.Resampling.BICUBIC), np.float32)
    return np.clip(found / np.float32(BLOCKY), 0, 1)


async def measured(
    factor: int, quality: int, natural: niqe.Naturalness
) -> dict[str, tuple[float, float, float]]:
    """Return means of PSNR and MS-SSIM, and the NIQE of all results together, by way."""
    decoder, models = Decoder(), Models("f32")
    results: dict[str, list[Image.Image]] = {}
    truths = photos()
    for truth in truths:
        picture = await decoder.decode(as_jpeg(quality)(smaller(truth, factor)))
        if not isinstance(picture, Picture):
            raise TypeError("a photo is animated")
        for name, image in (await ways(picture, truth.size, models)).items():
            results.setdefault(name, []).append(image)
    await decoder.aclose()
    return {name: scores(images, truths, natural) for name, images in results.items()}


def scores(
    images: Sequence[Image.Image], truths: Sequence[Image.Image], natural: niqe.Naturalness
) -> tuple[float, float, float]:
    pairs = list(zip(images, truths, strict=True))
    return (
        float(np.mean([psnr(*each) for each in pairs])),
        float(np.mean([ms_ssim(*each) for each in pairs])),
        niqe.distance(niqe.fit(images), natural),
    )


def table(factor: int, rows: Mapping[str, Mapping[int, tuple[float, float, float]]]) -> str:
    lines = [[f"x{factor}", *(f"q{quality}" for quality in QUALITIES)], ["---"] * (len(QUALITIES) + 1)]
    for name, each in rows.items():
        cells = [f"{each[q][0]:.2f} · {each[q][1]:.4f} · {each[q][2]:.2f}" for q in QUALITIES]
        lines.append([name, *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


async def main() -> None:
    started = time.perf_counter()
    natural = niqe.fit(natural_photos(), is_model=True)
    tables = []
    for factor in FACTORS:
        rows: dict[str, dict[int, tuple[float, float, float]]] = {}
        for quality in QUALITIES:
            for name, each in (await measured(factor, quality, natural)).items():
                rows.setdefault(name, {})[quality] = each
        tables.append(table(factor, rows))
        print(tables[-1], flush=True)
    print(f"the originals themselves have a NIQE of {niqe.distance(niqe.fit(photos()), natural):.2f}")
    RESULT.write_text("\n\n".join(tables) + "\n")
    print(f"{time.perf_counter() - started:.0f} s; written to {RESULT}")


if __name__ == "__main__":
    asyncio.run(main())
