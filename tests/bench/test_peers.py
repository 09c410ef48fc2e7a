"""The comparison with peers notices what is lost, and reports a peer that cannot run."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bench.peers.losses import deep_file, demanding_file, find_losses
from tests.bench.peers.running import HERE, read_answer
from tests.bench.peers.table import as_markdown
from tests.bench.quality_scores import ms_ssim, ssim


def saved(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


def test_noise_counts_less_over_many_scales_than_at_the_finest_one() -> None:
    pixels = np.tile(np.linspace(0, 255, 200), (200, 1))
    noisy = pixels + np.random.default_rng(1).normal(0, 20, pixels.shape)
    truth, found = (Image.fromarray(each.clip(0, 255).astype(np.uint8)) for each in (pixels, noisy))

    assert ms_ssim(truth, truth) == pytest.approx(1.0)
    assert ssim(truth, found) < ms_ssim(truth, found) < 1


def test_a_plain_conversion_loses_everything() -> None:
    flat = saved(Image.open(io.BytesIO(demanding_file())).convert("RGB"), icc_profile=None)
    shallow = saved(Image.open(io.BytesIO(deep_file())).convert("RGB"))

    assert find_losses(demanding_file(), flat) == ["alpha", "profile", "orientation"]
    assert find_losses(deep_file(), shallow) == ["16 bits"]


def test_a_turned_picture_has_kept_its_orientation() -> None:
    original = Image.open(io.BytesIO(demanding_file()))
    profile = original.info["icc_profile"]
    turned = saved(original.transpose(Image.Transpose.ROTATE_270), icc_profile=profile, exif=b"")

    assert find_losses(demanding_file(), turned) == []
    assert find_losses(demanding_file(), demanding_file()) == []


def test_a_missing_package_is_the_reason_why_a_peer_cannot_run(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('no onnxruntime here')")
    file, result = tmp_path / "file.png", tmp_path / "result.png"
    file.write_bytes(demanding_file())

    command = [sys.executable, HERE / "one.py", "onnxruntime", tmp_path / "model.onnx", file, result]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path)}
    )

    assert json.loads(done.stdout) == {"cannot": "ImportError: no onnxruntime here"}


def test_a_real_peer_reports_its_costs(tmp_path: Path) -> None:
    file, result = tmp_path / "file.png", tmp_path / "result.png"
    file.write_bytes(demanding_file())

    command = [sys.executable, HERE / "one.py", "lanczos", tmp_path, file, result]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert set(json.loads(done.stdout)) == {"seconds", "cpu_seconds", "peak_mib"}
    with Image.open(result) as opened:
        assert opened.size == (96, 64)


@pytest.mark.parametrize(
    ("code", "stderr", "reason"),
    [(-9, "", "signal 9 ended it: nothing"), (1, "a\nMemoryError\n", "it ended with 1: MemoryError")],
)
def test_a_peer_that_dies_is_reported_with_its_last_words(code: int, stderr: str, reason: str) -> None:
    assert read_answer(code, "", stderr) == {"cannot": reason}


def test_the_table_counts_per_megapixel_of_the_result() -> None:
    cost = {"seconds": 2.097152, "cpu_seconds": 1.048576, "peak_mib": 100.4}
    rows = {
        "one": {"256": cost, "psnr": 30.0, "ssim": 0.9, "ms_ssim": 0.95, "lost": [], "huge": "done"},
        "other": {"cannot": "it is not here"},
    }

    lines = as_markdown(rows, [256]).splitlines()

    assert lines[2] == "| one | 2.00 · 1.00 · 100 | 30.00 | 0.900 | 0.950 |  | nothing | done |"
    assert lines[3].startswith("| other | cannot run: it is not here |")
