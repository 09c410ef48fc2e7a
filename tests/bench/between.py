"""`make bench-quality SET=between`: what drawings lose at x3 and at sizes between the networks' factors.

`art` reaches sizes above x2 by a second pass, and then reduces. It is compared with enlarging its result for
x2, and with other models.
"""

import asyncio
import time
from collections.abc import Mapping

import numpy as np
from PIL import Image

from inference.decoding.pool import Decoder
from inference.networks.auto import level_for
from inference.networks.registry import Model
from inference.picture import Picture
from loupe_local.state import REPOSITORY
from tests.bench.held_out import drawings
from tests.bench.quality import Models, as_image
from tests.bench.quality_scores import psnr, ssim
from tests.bench.quality_sets import Save, as_jpeg, as_png
from tests.inference.built_models import ART, CLEAN, FAITHFUL

RESULT = REPOSITORY / ".loupe" / "between.md"
SIDE = 360
"""Side of the drawings in pixels: each factor divides it."""
FACTORS = (2, 2.5, 3, 3.6, 4)
FORMS: dict[str, Save] = {"lossless": as_png, "JPEG 75": as_jpeg(75)}


async def ways(picture: Picture, models: Models) -> dict[str, Image.Image]:
    """Return the drawing at SIDE x SIDE by each way."""
    size, double = (SIDE, SIDE), (2 * picture.width, 2 * picture.height)
    source = as_image(picture.pixels)

    def at_level(model: Model) -> Model:
        return model.at(level_for(picture, model))

    found = {"Lanczos": source.resize(size, Image.Resampling.LANCZOS)}
    for model in (FAITHFUL, CLEAN, ART):
        found[f"`{model.name}`"] = await models.upscaled(picture, size, at_level(model))
    twice = await models.upscaled(picture, double, at_level(ART))
    found["`art` x2, then Lanczos"] = twice.resize(size, Image.Resampling.LANCZOS)
    return found


async def measured(factor: float, save: Save) -> dict[str, tuple[float, float]]:
    """Return means of PSNR and SSIM by way."""
    decoder, models, side = Decoder(), Models("f32"), round(SIDE / factor)
    results: dict[str, list[tuple[float, float]]] = {}
    for truth in drawings(SIDE):
        small = truth.resize((side, side), Image.Resampling.BICUBIC)
        picture = await decoder.decode(save(small))
        if not isinstance(picture, Picture):
            raise TypeError("a drawing is animated")
        for name, image in (await ways(picture, models)).items():
            results.setdefault(name, []).append((psnr(image, truth), ssim(image, truth)))
    await decoder.aclose()
    return {name: (float(mean[0]), float(mean[1])) for name, mean in means(results).items()}


def means(results: Mapping[str, list[tuple[float, float]]]) -> dict[str, np.ndarray]:
    return {name: np.mean(each, axis=0) for name, each in results.items()}


def table(form: str, rows: Mapping[str, Mapping[float, tuple[float, float]]]) -> str:
    lines = [[form, *(f"x{factor:g}" for factor in FACTORS)], ["---"] * (len(FACTORS) + 1)]
    for name, each in rows.items():
        lines.append([name, *(f"{each[factor][0]:.2f} · {each[factor][1]:.3f}" for factor in FACTORS)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


async def main() -> None:
    started = time.perf_counter()
    tables: list[str] = []
    for form, save in FORMS.items():
        rows: dict[str, dict[float, tuple[float, float]]] = {}
        for factor in FACTORS:
            for name, each in (await measured(factor, save)).items():
                rows.setdefault(name, {})[factor] = each
        tables.append(table(form, rows))
        print(tables[-1], flush=True)
    RESULT.write_text("\n\n".join(tables) + "\n")
    print(f"{time.perf_counter() - started:.0f} s; written to {RESULT}")


if __name__ == "__main__":
    asyncio.run(main())
