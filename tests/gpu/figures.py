"""The figures of `check`: the peak of the GPU, and each network's errors and speed."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.gpu.graph import Graph

SIDE, BATCHES, ENOUGH_SECONDS, MOST_SECONDS = 512, (1, 2, 4, 8), 1.0, 480.0
MATRIX = 8192
Run = Callable[[], Any]


def kinds_of(folder: Path) -> list[str]:
    """Return the networks of a packed folder."""
    return sorted(path.name.removesuffix(".half.json") for path in folder.glob("*.half.json"))


def natural_noise(side: int, seed: int = 1) -> Any:
    """Return a picture with the spectrum of a photo, as 1 x 3 x side x side of uint8."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    waves = np.fft.irfft2(np.fft.rfft2(random.normal(size=(3, side, side))) / frequency**1.5, (side, side))
    unit = (0.5 + 0.16 * (waves - waves.mean()) / waves.std()).clip(0, 1)
    return np.rint(unit * 255).astype(np.uint8)[None]


def errors(found: Any, expected: Any) -> dict[str, float]:
    """Return how far levels differ, and the peak signal-to-noise ratio in decibels (at most 99)."""
    difference = np.abs(found.astype(np.int16) - expected)
    mean = float(np.square(difference.astype(np.float64)).mean())
    decibel = 99.0 if mean == 0 else min(99.0, float(10 * np.log10(255**2 / mean)))
    return {"largest": int(difference.max()), "share": float((difference > 0).mean()), "decibel": decibel}


def share_of_peak(kflop: int, images_per_second: float, side: int, peak_flops: float) -> float:
    """Return the operations per second over those of a large product of matrices.

    `kflop` are the thousands of operations for a pixel of the input.
    """
    return kflop * 1e3 * side * side * images_per_second / peak_flops


def seconds_of(torch: Any, run: Run) -> float:
    """Return the mean seconds of a run on the GPU, after one to warm up."""
    run()
    torch.cuda.synchronize()
    started, count = time.perf_counter(), 0
    while count < 3 or time.perf_counter() - started < ENOUGH_SECONDS:
        run()
        torch.cuda.synchronize()
        count += 1
    return (time.perf_counter() - started) / count


def peak(torch: Any, dtype: Any) -> float:
    """Return the floating-point operations per second of a large product of matrices."""
    one, other = (torch.randn(MATRIX, MATRIX, device="cuda", dtype=dtype) for _ in range(2))
    return 2 * MATRIX**3 / seconds_of(torch, lambda: one @ other)


def captured(torch: Any, graph: Graph, image: Any) -> Run:
    """Return a run of the network as one CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        graph(image)
    torch.cuda.current_stream().wait_stream(stream)
    capture = torch.cuda.CUDAGraph()
    with torch.cuda.graph(capture):
        graph(image)
    return capture.replay


def measure_network(torch: Any, folder: Path, name: str, peak_flops: float) -> dict[str, Any]:
    single, half = (Graph(torch, folder / f"{name}.{each}", "cuda") for each in ("single", "half"))
    image = torch.from_numpy(natural_noise(SIDE)).cuda()
    kflop = json.loads((folder / "kflop.json").read_text())[name]
    row: dict[str, Any] = {"errors": errors(half(image).cpu().numpy(), single(image).cpu().numpy())}
    for batch in BATCHES:
        tiles = image.repeat(batch, 1, 1, 1)
        try:
            plain = batch / seconds_of(torch, lambda tiles=tiles: half(tiles))
            replayed = batch / seconds_of(torch, captured(torch, half, tiles))
        except RuntimeError as error:  # the memory does not suffice, or the graph cannot be captured
            row[f"batch {batch}"] = {"cannot": str(error).splitlines()[0]}
            continue
        share = share_of_peak(kflop, max(plain, replayed), SIDE, peak_flops)
        row[f"batch {batch}"] = {
            "images_per_second": plain,
            "with_cuda_graph": replayed,
            "share_of_peak": share,
        }
    return row


def measure(torch: Any, folder: Path) -> dict[str, Any]:
    """Return all figures. Networks that would begin too late are left out, and named."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    until = time.monotonic() + MOST_SECONDS
    peak_flops = peak(torch, torch.float16)
    found: dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "side": SIDE}
    found |= {"peak_flops_half": peak_flops, "peak_flops_single": peak(torch, torch.float32), "networks": {}}
    with torch.inference_mode():
        for name in kinds_of(folder):
            late = time.monotonic() > until
            row = {"cannot": "no time was left"} if late else measure_network(torch, folder, name, peak_flops)
            found["networks"][name] = row
    return found
