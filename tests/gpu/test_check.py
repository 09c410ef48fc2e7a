"""The check for GPUs packs every network, knows its operators, and says what is missing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loupe_local.triton import MODELS, VENV
from tests.gpu.figures import errors, kinds_of, natural_noise, share_of_peak
from tests.gpu.graph import Graph

HERE = Path(__file__).parent
SOURCES = Path(__file__).parents[2] / "services" / "inference" / "models"


class AnyModule:
    """Stands for PyTorch where only the names of operators count."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_: Any) -> Any:
        return self


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    command = [str(VENV / "bin" / "python"), str(HERE / "pack.py"), str(MODELS), str(folder)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(SOURCES)})
    return folder


def test_every_network_is_packed_and_all_its_operators_are_known(packed: Path) -> None:
    built = json.loads((MODELS / "manifest.json").read_text())["models"]

    assert kinds_of(packed) == sorted(name for name, entry in built.items() if not entry["is_float"])
    for name in kinds_of(packed):
        for precision in ("single", "half"):
            Graph(AnyModule(), packed / f"{name}.{precision}", "cpu")


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps([{"op": "Einsum", "in": [], "out": "y", "with": {}}]))

    with pytest.raises(ValueError, match="Einsum"):
        Graph(AnyModule(), tmp_path / "x", "cpu")


def test_without_pytorch_the_check_says_so(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    result = tmp_path / "gpu.json"

    command = [sys.executable, str(HERE / "check"), str(packed), str(result)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path)}
    )

    assert (done.returncode, done.stdout.strip()) == (2, "PyTorch or NumPy is missing: no torch here")
    assert json.loads(result.read_text())["cannot"] == done.stdout.strip()


def test_errors_are_counted_in_levels_and_decibels() -> None:
    picture = natural_noise(32)
    other = picture.copy()
    other[0, 0, 0, 0] ^= 1

    assert errors(picture, picture) == {"largest": 0, "share": 0.0, "decibel": 99.0}
    found = errors(other, picture)
    assert (found["largest"], found["share"]) == (1, 1 / picture.size)
    assert found["decibel"] == pytest.approx(10 * np.log10(255**2 * picture.size))


def test_the_share_of_the_peak_counts_operations_of_all_pixels() -> None:
    assert share_of_peak(850, 100, 512, 850e3 * 512 * 512 * 400) == pytest.approx(0.25)
