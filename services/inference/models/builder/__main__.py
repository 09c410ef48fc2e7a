"""Builds the model repository, unless it is there already: `python -m builder FOLDER [--with MODEL ...]`.

Models that need npm are built where it is at hand, those that cost much where they were once asked for.
Runs in the environment of requirements/triton.txt. What needs numpy is imported late, so that a second run is
done at once.
"""

import argparse
import sys
from pathlib import Path

from builder import packages, repository
from builder.errors import Refused
from builder.registry import EIGHT_BITS, MODELS, Model
from builder.repository import Built, Repository

REQUIREMENTS = Path(__file__).resolve().parents[4] / "requirements" / "weights.txt"


def build(model: Model, package: Path) -> Built:
    from builder import half, layers, verify  # noqa: PLC0415
    from builder import model as models  # noqa: PLC0415

    param, weights = packages.read_weights(model, package)
    net = layers.read(param, weights)
    graph = models.build(model, net)
    names = net[0].outputs[0], net[-1].outputs[0]
    difference = verify.check(model, graph, param, weights, names)
    told = f"{model.name}: {len(graph) / 1e6:.1f} MB, differs from ncnn by {difference:.1e}"
    if model.floats:
        sys.stdout.write(f"{told}\n")
        return Built(graph, difference)
    halved = models.build(model, net, half=True)
    decibel = half.check(model, graph, halved, names[1])
    sys.stdout.write(f"{told}; in half precision {decibel:.0f} dB\n")
    return Built(graph, difference, halved, decibel)


def chosen(there: Repository, asked: set[str], cache: Path) -> list[Model]:
    """What was there stays; what needs npm comes by itself where npm is, and has not failed."""

    def is_wanted(model: Model) -> bool:
        if model.base in asked or model.name in there.former:
            return True
        return not model.asked and model.base not in there.left_out and packages.is_at_hand(model, cache)

    return [model for model in MODELS if is_wanted(model)]


def gather(there: Repository, asked: set[str], requirements: Path, cache: Path) -> None:
    """Builds what is not there, and writes all of it."""
    failed: dict[str, str] = {}
    models: dict[Model, Built] = {}
    for model in chosen(there, asked, cache):
        if model.name in there.whole:
            models[model] = there.built(model.name)
            continue
        if model.base in failed:
            continue
        try:
            package = packages.fetch(model, requirements, cache)
        except Refused as error:
            if not model.npm or model.base in asked:
                raise
            sys.stdout.write(f"{model.base} is left out: {error}\n")
            failed[model.base] = str(error)
            continue
        models[model] = build(model, package)
    had = {model.base for model in models}
    left_out = {name: why for name, why in (there.left_out | failed).items() if name not in had}
    repository.write(there, models, left_out)


def main() -> int:
    names = [model.name for model in EIGHT_BITS]
    parser = argparse.ArgumentParser(prog="builder", description=__doc__)
    parser.add_argument("folder", type=Path, help="the model repository to write")
    parser.add_argument("--with", dest="asked", nargs="+", choices=names, default=[], help="build these too")
    parser.add_argument("--cache", type=Path, help="where downloads are kept (default: FOLDER.cache)")
    parser.add_argument("--requirements", type=Path, default=REQUIREMENTS, help="the packages of the weights")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    asked, cache = set(arguments.asked), arguments.cache or Path(f"{folder}.cache")
    there = Repository(folder, arguments.requirements)
    if there.has_engines and {model.name for model in chosen(there, asked, cache)} == there.whole:
        return 0
    try:
        gather(there, asked, arguments.requirements, cache)
    except Refused as error:
        sys.stderr.write(f"the models were not built: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
