"""Checks one network: measures it, writes its graphs, and reports what was measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto

from builder.errors import Refused
from builder.facts import Drift
from builder.own import entry, fitting, measure, wrapping
from builder.own.card import Card
from builder.own.measure import LEVEL, Cost, Reach
from builder.own.wrapping import Fit

LARGEST_TILE = 512


@dataclass(frozen=True)
class Character:
    """The measured behaviour of a network by itself."""

    fit: Fit
    reach: Reach
    drift: float
    failures: dict[str, float]

    @property
    def correction(self) -> Drift:
        return Drift.COLOURS if self.drift > measure.LARGEST_DRIFT / LEVEL else Drift.NONE

    @property
    def fallback(self) -> str:
        """The network that replaces its result where it fails. Empty if it needs none."""
        return entry.FALLBACK if measure.runs_away(self.failures) else ""


@dataclass(frozen=True)
class Served:
    """The measured behaviour of the graph that Triton runs, with what was added to the network."""

    overlap: int
    seam: int
    doubt: float
    cost: Cost


def character_of(network: ModelProto, card: Card) -> Character:
    """Measure the network by itself. Raises `Refused`."""
    fit = fitting.find_fit(network, card)
    bare = measure.compiled(wrapping.wrap(network, card, fit, Drift.NONE, is_float=True, shows_raw=True))
    difference = fitting.difference_from_original(network, card, fit, bare)
    if not difference <= LEVEL:
        raise Refused(f"OpenVINO and ONNX Runtime differ by {difference / LEVEL:.1f} levels")
    reach = measure.find_reach(bare, card.factor)
    fit = Fit(fit.padding, fit.cut, fitting.find_step(bare, fit, reach.pixels, card.factor))
    drift, failures = measure.find_drift(bare, card.factor), measure.find_traps(bare, card.factor)
    return Character(fit, reach, drift, failures)


def serve(graph: bytes, card: Card, found: Character) -> Served:
    """Measure the graph for pictures of 8 bits. Raises `Refused`."""
    run = measure.compiled(graph)
    doubt = measure.check_guard(run) if found.fallback else 0.0
    wider = measure.CORRECTION_REACH if found.correction is Drift.COLOURS else 0
    wider += measure.GUARD_REACH if found.fallback else 0
    is_auto = card.overlap is None
    least = found.reach.pixels + wider if card.overlap is None else card.overlap
    overlap, seam = measure.find_overlap(run, least, found.fit, card.factor, may_grow=is_auto)
    return Served(overlap, seam, doubt, measure.find_cost(graph, card, overlap))


def check(network: ModelProto, card: Card, folder: Path | None) -> dict[str, Any]:
    """Return the report, after the entry is written to the folder. Raises `Refused`."""
    found = character_of(network, card)
    graphs = {
        is_float: wrapping.wrap(
            network, card, found.fit, found.correction, fallback=found.fallback, is_float=is_float
        )
        for is_float in (False, True)
    }
    served = serve(graphs[False], card, found)
    report = report_of(card, found, served)
    if folder:
        facts = entry.describe(
            card, found.fit, served.cost, overlap=served.overlap, is_guarded=bool(found.fallback)
        )
        entry.write(folder, card, graphs, facts, report)
    return report


def report_of(card: Card, found: Character, served: Served) -> dict[str, Any]:
    return {
        "name": card.name,
        "licence": card.licence,
        "commercial_use": card.commercial_use,
        "factor": card.factor,
        "padding": found.fit.padding,
        "tiles_begin_at_multiples_of": found.fit.step,
        "reach": found.reach.pixels,
        "overlap": served.overlap,
        "levels_at_a_seam": served.seam,
        "drift_in_levels": round(found.drift, 2),
        "colours_corrected": found.correction is Drift.COLOURS,
        "levels_on_traps": {name: round(min(value, 1e6), 1) for name, value in found.failures.items()},
        "guarded": bool(found.fallback),
        "guarded_share_of_a_photo": round(served.doubt, 4),
        "seconds_per_megapixel": round(served.cost.seconds, 2),
        "megabytes_for_256_pixels": round(served.cost.megabytes),
        "largest_tile": served.cost.largest_tile or LARGEST_TILE,
    }
