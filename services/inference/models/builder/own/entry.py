"""Writes the entry of an operator's own network to a folder that Triton loads beside Loupe's models."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from builder.own.card import Card
from builder.own.measure import Cost
from builder.own.wrapping import Fit
from builder.repository import BACKEND, SINGLE
from serving.configuration import ServedNetwork, for_cpu

RANK = 1000
"""The networks of Loupe have lower ranks, so they come first."""
LIST = "own.json"
FALLBACK = "waifu2x_photo_x2"


def describe(card: Card, fit: Fit, cost: Cost, *, overlap: int, is_guarded: bool) -> dict[str, Any]:
    """Return what the worker must know about the network."""
    return {
        "scale": card.factor,
        "overlap": overlap,
        "factors": list(card.factors),
        "fallback": FALLBACK if is_guarded else "",
        "rank": RANK,
        "title": card.title,
        "source": card.source,
        "licence": card.licence,
        "commercial_use": card.commercial_use,
        "largest_tile": cost.largest_tile,
        "step": fit.step,
        "model": {
            "name": card.name,
            "title": card.title,
            "description": card.description,
            "best_for": card.best_for,
            "factors": list(card.factors),
        },
    }


def write(
    folder: Path, card: Card, graphs: dict[bool, bytes], facts: dict[str, Any], report: dict[str, Any]
) -> None:
    """Write both variants, that of 8 bits and that of floats, and note the report in the folder's list.

    Each replaces what an earlier check wrote, as a whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for is_float, graph in graphs.items():
        name = card.triton_name + ("_float" if is_float else "")
        network = ServedNetwork(name, is_float, bool(facts["fallback"]), json.dumps(facts))
        write_network(folder, network, graph)
    listed = read_list(folder) | {card.name: report | {"sha256": hashlib.sha256(graphs[False]).hexdigest()}}
    new = folder / f"{LIST}.new"
    new.write_text(json.dumps(listed, indent=2) + "\n")
    new.replace(folder / LIST)


def read_list(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / LIST).read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def write_network(folder: Path, network: ServedNetwork, graph: bytes) -> None:
    new, own = folder / f".{network.name}.new", folder / network.name
    shutil.rmtree(new, ignore_errors=True)
    (new / "1").mkdir(parents=True)
    (new / "configs").mkdir()
    (new / "config.pbtxt").write_text(for_cpu(network))
    (new / "configs" / "cpu.pbtxt").write_text(for_cpu(network))
    for path in BACKEND.glob("*.py"):
        shutil.copyfile(path, new / "1" / path.name)
    (new / SINGLE).write_bytes(graph)
    shutil.rmtree(own, ignore_errors=True)
    new.rename(own)
