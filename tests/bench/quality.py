"""`make bench-quality`: compares `auto` and each model on pictures whose larger original is known.

Files go through the worker's own decoding child, `auto`, tiles, fallback and resampling. Only Triton is
replaced: OpenVINO runs the networks in this process.
"""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

import runtimes
from backend.pooled import PooledOpenVino
from inference.decoding.pool import Decoder
from inference.networks.auto import choose_model
from inference.networks.network import FLOAT_SUFFIX, Answer, Tensor
from inference.networks.registry import Model
from inference.picture import Picture, Pixels, Size
from inference.tiling.tiles import Tiling
from inference.upscaling import upscale
from loupe_local.state import REPOSITORY
from loupe_local.triton import MODELS as REPOSITORY_OF_MODELS
from tests.bench.quality_scores import psnr, ssim
from tests.bench.quality_sets import Case, cases
from tests.inference.built_models import ENHANCE_LARGE, ENHANCE_SMALL, MODELS

RESULTS = REPOSITORY / ".loupe" / "quality.json"
FACTORS = (2, 3, 4)
BUILT_ENHANCE = [
    model
    for model in (ENHANCE_LARGE, ENHANCE_SMALL)
    if all((REPOSITORY_OF_MODELS / network.name).exists() for network in model.networks)
]
COMPARED = MODELS | {model.name: model for model in BUILT_ENHANCE[:1]}
"""`enhance` is compared only if it was built."""
METHODS = ("bicubic", "lanczos", *COMPARED, "auto")
ROUNDED = "auto bf16"
"""The choice of `auto` in bfloat16. It is not among `METHODS`, because not every processor computes so."""
MOST_LOST = 0.1
"""How many dB `auto` may lose on a kind of picture against the best model that `auto` may choose for it."""
ONLY_FOR_DRAWINGS = "art"
"""The model that `auto` keeps for drawings. It takes four times the arithmetic of `clean`, gains up to 1 dB
on screenshots, and loses 0.6 to 1.9 dB on clean photos.
"""
MOST_LOST_BY_ROUNDING = 0.05
"""How many dB bfloat16 may lose against single precision on a kind of picture. Most is lost on a photo on
white, which reaches 41 dB.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Means over the pictures of one kind at one factor."""

    kind: str
    factor: int
    psnr: dict[str, float]
    ssim: dict[str, float]
    reasons: list[str]

    @property
    def lost(self) -> float:
        suitable = [name for name in COMPARED if name != ONLY_FOR_DRAWINGS or "drawing" in self.reasons]
        return max(self.psnr[name] for name in suitable) - self.psnr["auto"]

    @property
    def lost_by_rounding(self) -> float:
        return self.psnr["auto"] - self.psnr.get(ROUNDED, self.psnr["auto"])


class Models:
    """The networks, which are compiled when they are first used."""

    def __init__(self, precision: str) -> None:
        self._precision = precision
        self._loaded: dict[str, runtimes.Runtime] = {}
        self._pooled: dict[str, PooledOpenVino] = {}

    async def infer(
        self, name: str, tile: Tensor, context: Tensor | None = None, output: str = "UPSCALED"
    ) -> Answer:
        if context is not None:
            path = REPOSITORY_OF_MODELS / name / "1" / "model.onnx"
            network = self._pooled.get(name) or self._pooled.setdefault(name, PooledOpenVino(path, 0))
            return Answer(network.run({"IMAGE": tile, "CONTEXT": context}, [output])[0])
        if name not in self._loaded:
            path = REPOSITORY_OF_MODELS / name / "1" / "model.onnx"
            # as in Triton, a network that takes floats computes in single precision
            precision = runtimes.SINGLE if name.endswith(FLOAT_SUFFIX) else self._precision
            self._loaded[name] = runtimes.load(path, "openvino", precision, os.cpu_count() or 1)
        runtime = self._loaded[name]
        found = dict(zip(runtime.outputs, runtime.run(tile, runtime.outputs), strict=True))
        return Answer(found["UPSCALED"], found.get("DOUBT"))

    async def upscaled(self, picture: Picture, size: Size, model: Model) -> Image.Image:
        rows: list[Pixels] = []
        await upscale(
            picture, size, self.infer, rows.append, networks=model.networks, tiling=Tiling(in_flight=1)
        )
        return as_image(np.concatenate(rows))


def as_image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels.squeeze(axis=2) if pixels.shape[2] == 1 else pixels).convert("RGB")


async def results_of(
    case: Case, decoder: Decoder, models: Models, rounded: Models | None
) -> tuple[dict[str, Image.Image], str]:
    """Return the picture upscaled by every method, and the reason for the choice of `auto`."""
    picture = await decoder.decode(case.file)
    if not isinstance(picture, Picture):
        raise TypeError(f"{case.kind} is animated")
    size, source = case.truth.size, as_image(picture.pixels)
    images = {
        "bicubic": source.resize(size, Image.Resampling.BICUBIC),
        "lanczos": source.resize(size, Image.Resampling.LANCZOS),
    }
    for name, model in COMPARED.items():
        images[name] = await models.upscaled(picture, size, model)
    choice = choose_model("auto", picture, COMPARED)
    usual = choice.model == COMPARED[choice.model.name]
    auto = images[choice.model.name] if usual else await models.upscaled(picture, size, choice.model)
    if rounded:
        images[ROUNDED] = await rounded.upscaled(picture, size, choice.model)
    return images | {"auto": auto}, choice.reason


async def measured(factor: int) -> list[Row]:
    decoder, models = Decoder(), Models("f32")
    rounded = Models("bf16") if runtimes.can_round() else None
    scores: dict[str, list[tuple[str, dict[str, tuple[float, float]]]]] = {}
    for case in cases(factor):
        images, reason = await results_of(case, decoder, models, rounded)
        each = {name: (psnr(image, case.truth), ssim(image, case.truth)) for name, image in images.items()}
        scores.setdefault(case.kind, []).append((reason, each))
    await decoder.aclose()
    return [row(kind, factor, results) for kind, results in scores.items()]


def row(kind: str, factor: int, results: Sequence[tuple[str, dict[str, tuple[float, float]]]]) -> Row:
    methods = results[0][1]
    means = {name: np.mean([scores[name] for _, scores in results], axis=0) for name in methods}
    return Row(
        kind,
        factor,
        {name: round(float(mean[0]), 3) for name, mean in means.items()},
        {name: round(float(mean[1]), 4) for name, mean in means.items()},
        [reason for reason, _ in results],
    )


def print_table(rows: Sequence[Row]) -> None:
    print(
        f"{'':5}{'kind':<18}{'':<4}"
        + "".join(f"{name:>15}" for name in METHODS)
        + "  in bf16   reasons of auto"
    )
    for each in rows:
        is_good = each.lost <= MOST_LOST and each.lost_by_rounding <= MOST_LOST_BY_ROUNDING
        verdict = "ok" if is_good else "MISS"
        figures = "".join(f"{each.psnr[name]:9.2f} {each.ssim[name]:.3f}" for name in METHODS)
        figures += f"{-each.lost_by_rounding:9.3f}"
        reasons = ", ".join(sorted(set(each.reasons)))
        print(f"{verdict:<5}{each.kind:<18}x{each.factor:<3}{figures}   {reasons}")


def as_json(each: Row) -> dict[str, object]:
    scores = {"psnr": each.psnr, "ssim": each.ssim}
    return {"kind": each.kind, "factor": each.factor, **scores, "reasons": each.reasons}


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the two tables of docs/models.md: PSNR, then SSIM, at each factor."""
    kinds = list(dict.fromkeys(each.kind for each in rows))
    head = ["", *(name if name in ("bicubic", "lanczos") else f"`{name}`" for name in METHODS)]
    tables: list[str] = []
    for score, form in (("psnr", ".1f"), ("ssim", ".3f")):
        lines = [[*head, "reason"], ["---"] * (len(head) + 1)]
        for kind in kinds:
            results = [each for each in rows if each.kind == kind]
            cells = [
                " · ".join(f"{getattr(each, score)[name]:{form}}" for each in results) for name in METHODS
            ]
            reasons = sorted({reason for each in results for reason in each.reasons})
            lines.append([kind, *cells, ", ".join(f"`{reason}`" for reason in reasons)])
        tables.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    return "\n\n".join(tables) + "\n"


async def main() -> None:
    started = time.perf_counter()
    factors = [await measured(factor) for factor in FACTORS]
    rows = [each for results in zip(*factors, strict=True) for each in results]
    print_table(rows)
    RESULTS.write_text(json.dumps([as_json(each) for each in rows], indent=2))
    RESULTS.with_suffix(".md").write_text(as_markdown(rows))
    print(f"PSNR in dB and SSIM of luma; {time.perf_counter() - started:.0f} s; written to {RESULTS}")


if __name__ == "__main__":
    asyncio.run(main())
