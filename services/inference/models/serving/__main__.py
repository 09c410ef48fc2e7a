"""Gives every network of a repository its TensorRT engine for this GPU: `python3 -m serving REPOSITORY
--cache FOLDER`.

It runs in Triton's container before Triton starts. An engine that was built once is taken from the cache.
"""

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path

from serving.cache import Cache, Facts
from serving.configuration import ServedNetwork
from serving.engines import Builder, models_of, write_repository
from serving.errors import Stopped
from serving.machine import find_machine
from serving.shapes import Shapes, shapes_of


def arguments_of(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serving", description=__doc__)
    parser.add_argument("repository", type=Path, help="the model repository, writable; built by `builder`")
    parser.add_argument("--cache", type=Path, required=True, help="where engines are kept; may be shared")
    parser.add_argument("--models", nargs="+", help="only these (default: all)")
    parser.add_argument("--max-batch", type=int, default=8, help="the most tiles at a time (default: 8)")
    parser.add_argument("--instances", type=int, default=1, help="of each model on each GPU (default: 1)")
    parser.add_argument(
        "--level", type=int, default=3, help="how hard TensorRT searches, 0 to 5 (default: 3)"
    )
    parser.add_argument(
        "--retry", action="store_true", help="try anew what was too large for the GPU's memory"
    )
    parser.add_argument(
        "--prune", action="store_true", help="then remove this GPU's other engines from the cache"
    )
    return parser.parse_args(given)


def select(repository: Path, names: list[str] | None) -> list[ServedNetwork]:
    models = models_of(repository)
    unknown = set(names or ()) - {model.name for model in models}
    if unknown:
        raise Stopped(f"{repository} has no model {', '.join(sorted(unknown))}")
    return [model for model in models if names is None or model.name in names]


def build(arguments: argparse.Namespace) -> None:
    repository: Path = arguments.repository.resolve()
    models, machine = select(repository, arguments.models), find_machine()
    cache = Cache(arguments.cache.resolve())
    builder = Builder(machine, cache, arguments.level, retry=arguments.retry)
    built: dict[str, tuple[ServedNetwork, Shapes, Facts]] = {}
    for model in models:
        usual = shapes_of(model.name)
        shapes = replace(usual, batch=max(1, min(usual.batch, arguments.max_batch)))
        built[model.name] = (model, *builder.engine_for(model, repository / model.name, shapes))
    write_repository(repository, built, arguments.instances)
    if arguments.prune:
        removed = cache.prune(builder.used, machine.gpu.facts)
        print(f"removed {removed} other engines of {machine.gpu.name}", flush=True)


def main() -> int:
    # a normal exit also stops trtexec
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        build(arguments_of())
    except Stopped as error:
        print(f"no engines: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
