"""`make bench-quality`: compares `auto` and each model on pictures whose larger original is known.

Files go through the worker's own decoding child, `auto`, tiles, fallback and resampling. Only Triton is
replaced: OpenVINO runs the networks in this process.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import openvino
from PIL import Image

from backend.pooled import PooledOpenVino
from inference.decoding.pool import Decoder
from inference.networks.auto import choose_model
from inference.networks.network import Answer, Tensor
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
MOST_LOST = 0.1
"""How many dB `auto` may lose against the best model on a kind of picture."""
SETTINGS = {
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_PRECISION_HINT": "f32",
    "ENABLE_CPU_PINNING": False,  # as in Triton's back end, because other processes use the cores too
}


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
        return max(self.psnr[name] for name in COMPARED) - self.psnr["auto"]


class Models:
    """The networks, which are compiled when they are first used."""

    def __init__(self) -> None:
        self._core = openvino.Core()
        self._requests: dict[str, openvino.InferRequest] = {}
        self._pooled: dict[str, PooledOpenVino] = {}

    async def infer(
        self, name: str, tile: Tensor, context: Tensor | None = None, output: str = "UPSCALED"
    ) -> Answer:
        if context is not None:
            path = REPOSITORY_OF_MODELS / name / "1" / "model.onnx"
            network = self._pooled.get(name) or self._pooled.setdefault(name, PooledOpenVino(path, 0))
            return Answer(network.run({"IMAGE": tile, "CONTEXT": context}, [output])[0])
        if name not in self._requests:
            path = REPOSITORY_OF_MODELS / name / "1" / "model.onnx"
            self._requests[name] = self._core.compile_model(path, "CPU", SETTINGS).create_infer_request()
        request = self._requests[name]
        request.infer({"IMAGE": tile})
        has_uncertainty = len(request.model_outputs) > 1
        uncertainty = np.array(request.get_tensor("DOUBT").data) if has_uncertainty else None
        return Answer(np.array(request.get_tensor("UPSCALED").data), uncertainty)

    async def upscaled(self, picture: Picture, size: Size, model: Model) -> Image.Image:
        rows: list[Pixels] = []
        await upscale(
            picture, size, self.infer, rows.append, networks=model.networks, tiling=Tiling(in_flight=1)
        )
        return as_image(np.concatenate(rows))


def as_image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels.squeeze(axis=2) if pixels.shape[2] == 1 else pixels).convert("RGB")


async def results_of(case: Case, decoder: Decoder, models: Models) -> tuple[dict[str, Image.Image], str]:
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
    return images | {"auto": auto}, choice.reason


async def measured(factor: int) -> list[Row]:
    decoder, models = Decoder(), Models()
    scores: dict[str, list[tuple[str, dict[str, tuple[float, float]]]]] = {}
    for case in cases(factor):
        images, reason = await results_of(case, decoder, models)
        each = {name: (psnr(image, case.truth), ssim(image, case.truth)) for name, image in images.items()}
        scores.setdefault(case.kind, []).append((reason, each))
    await decoder.aclose()
    return [row(kind, factor, results) for kind, results in scores.items()]


def row(kind: str, factor: int, results: Sequence[tuple[str, dict[str, tuple[float, float]]]]) -> Row:
    means = {name: np.mean([scores[name] for _, scores in results], axis=0) for name in METHODS}
    return Row(
        kind,
        factor,
        {name: round(float(mean[0]), 3) for name, mean in means.items()},
        {name: round(float(mean[1]), 4) for name, mean in means.items()},
        [reason for reason, _ in results],
    )


def print_table(rows: Sequence[Row]) -> None:
    print(f"{'':5}{'kind':<18}{'':<4}" + "".join(f"{name:>15}" for name in METHODS) + "   reasons of auto")
    for each in rows:
        verdict = "ok" if each.lost <= MOST_LOST else "MISS"
        figures = "".join(f"{each.psnr[name]:9.2f} {each.ssim[name]:.3f}" for name in METHODS)
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
