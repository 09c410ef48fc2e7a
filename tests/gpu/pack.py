"""Packs the built networks for `check`: `.loupe/triton/bin/python tests/gpu/pack.py [MODELS] [FOLDER]`.

It needs PYTHONPATH=services/inference/models.

The machine with the GPU has PyTorch and little else, no ONNX. So each graph becomes a list of nodes as JSON
and its constants as .npz.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx  # pyright: ignore[reportMissingImports]  it is in Triton's environment
from onnx import helper, numpy_helper  # pyright: ignore[reportMissingImports]

from builder.registry import EIGHT_BIT_NETWORKS

GRAPHS = {"single": "model.onnx", "half": "half.onnx"}
MOST_BYTES = 64 << 20


def attributes_of(node: Any) -> dict[str, Any]:
    found = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def pack(graph: Path, target: Path) -> None:
    model = onnx.load(graph).graph
    nodes = [
        {"op": node.op_type, "in": list(node.input), "out": node.output[0], "with": attributes_of(node)}
        for node in model.node
    ]
    target.with_name(f"{target.name}.json").write_text(json.dumps(nodes))
    constants = {each.name: numpy_helper.to_array(each) for each in model.initializer}
    np.savez_compressed(target.with_name(f"{target.name}.npz"), **constants)


def main() -> int:
    models, folder = Path(*sys.argv[1:2] or [".loupe/models"]), Path(*sys.argv[2:3] or [".loupe/gpu"])
    folder.mkdir(parents=True, exist_ok=True)
    kflop = {network.name: network.kflop for network in EIGHT_BIT_NETWORKS}
    (folder / "kflop.json").write_text(json.dumps(kflop))
    names = json.loads((models / "manifest.json").read_text())["models"]
    for name, entry in names.items():
        if not entry["is_float"]:
            for precision, file in GRAPHS.items():
                pack(models / name / "1" / file, folder / f"{name}.{precision}")
    packed = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {packed / 1e6:.1f} MB")
    return 0 if packed <= MOST_BYTES else 1


if __name__ == "__main__":
    raise SystemExit(main())
