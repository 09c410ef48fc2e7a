"""Builds the model repository, unless it is up to date: `python -m builder FOLDER [--with NETWORK ...]`.

It prints how exactly each network was converted. With `--log FILE` the file gets that.
A network that needs npm is built where npm is installed. An expensive one is built if somebody once asked for
it. Runs in the environment of requirements/triton.txt. Modules that need numpy are imported late, so that a
run with nothing to do ends at once.
"""

import argparse
import sys
from pathlib import Path

from builder import packages, repository
from builder.errors import Refused
from builder.registry import EIGHT_BIT_NETWORKS, NETWORKS, Network
from builder.report import Report
from builder.repository import Built, Repository

REQUIREMENTS = Path(__file__).resolve().parents[4] / "requirements" / "weights.txt"


def build(network: Network, package: Path, report: Report) -> Built:
    """Build and check the network's graph, and one in half precision if the network takes 8 bits."""
    from builder import half, image_graph, layers, verify  # noqa: PLC0415

    param, weights = packages.read_weights(network, package)
    original = layers.read(param, weights)
    graph = image_graph.build(network, original)
    names = original[0].outputs[0], original[-1].outputs[0]
    difference = verify.check(network, graph, param, weights, names)
    message = f"{network.name}: {len(graph) / 1e6:.1f} MB, differs from ncnn by {difference:.1e}"
    if network.is_float:
        report.note(message)
        return Built(graph, difference)
    half_graph = image_graph.build(network, original, half=True)
    decibel = half.check(network, graph, half_graph, names[1])
    report.note(f"{message}; in half precision {decibel:.0f} dB")
    return Built(graph, difference, half_graph, decibel)


def select(existing: Repository, requested: set[str], cache: Path) -> list[Network]:
    """Return the networks to have: what was there stays, and what needs npm is added where npm is and has not
    failed.
    """

    def is_wanted(network: Network) -> bool:
        if network.base_name in requested or network.name in existing.former:
            return True
        if network.is_on_request or network.base_name in existing.left_out:
            return False
        return packages.is_available(network, cache)

    return [network for network in NETWORKS if is_wanted(network)]


def build_missing(
    existing: Repository, requested: set[str], requirements: Path, cache: Path, report: Report
) -> None:
    """Build what is missing, and write the whole repository."""
    failed: dict[str, str] = {}
    networks: dict[Network, Built] = {}
    selected = select(existing, requested, cache)
    missing = [network for network in selected if network.name not in existing.intact]
    for network in selected:
        if network not in missing:
            networks[network] = existing.read(network.name)
            continue
        if network.base_name in failed:
            continue
        still_possible = [each for each in missing if each.base_name not in failed]
        try:
            package = packages.fetch(network, requirements, cache, report)
        except Refused as error:
            if not network.npm_version or network.base_name in requested:
                raise
            report.warn(f"{network.base_name} is left out: {error}")
            failed[network.base_name] = str(error)
            continue
        report.show_counts(still_possible.index(network), len(still_possible))
        networks[network] = build(network, package, report)
    built = sum(network in networks for network in missing)
    report.show_counts(built, built)
    present = {network.base_name for network in networks}
    left_out = {name: why for name, why in (existing.left_out | failed).items() if name not in present}
    repository.write(existing, networks, left_out)


def main() -> int:
    names = [network.name for network in EIGHT_BIT_NETWORKS]
    parser = argparse.ArgumentParser(prog="builder", description=__doc__)
    parser.add_argument("folder", type=Path, help="the model repository to write")
    parser.add_argument(
        "--with", dest="requested", nargs="+", choices=names, default=[], help="build these too"
    )
    parser.add_argument("--cache", type=Path, help="where downloads are kept (default: FOLDER.cache)")
    parser.add_argument("--log", type=Path, help="where notes go; standard output then shows the progress")
    parser.add_argument("--requirements", type=Path, default=REQUIREMENTS, help="the packages of the weights")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    requested, cache = set(arguments.requested), arguments.cache or Path(f"{folder}.cache")
    existing = Repository(folder, arguments.requirements)
    wanted = {network.name for network in select(existing, requested, cache)}
    if existing.has_engine_builder and wanted == existing.intact:
        return 0
    try:
        build_missing(existing, requested, arguments.requirements, cache, Report(arguments.log))
    except Refused as error:
        sys.stderr.write(f"the models were not built: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
