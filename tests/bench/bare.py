"""The bare process, a reference that decodes, infers and encodes the same pictures with the same codecs.

`python -m tests.bench.bare MODEL THREADS COUNT FILE FORMAT` prints the seconds that COUNT pictures took.
"""

import asyncio
import io
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np
import openvino
from PIL import Image

from inference.encoding.writer import open_writer
from inference.networks.network import Answer, Tensor
from inference.picture import Format, Picture
from inference.tiling.tiles import Tiling
from inference.upscaling import upscale
from tests.inference.built_models import FAITHFUL


class BareModel:
    """A network that OpenVINO runs in this process, in bfloat16 if the processor can, as in Triton."""

    def __init__(self, path: Path, threads: int) -> None:
        core = openvino.Core()
        can_round = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        settings = {
            "INFERENCE_NUM_THREADS": str(threads),
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if can_round else "f32",
        }
        compiled = core.compile_model(path, "CPU", settings)
        self._request = compiled.create_infer_request()

    async def infer(self, _model: str, tile: Tensor) -> Answer:
        self._request.infer({"IMAGE": tile})
        return Answer(np.array(self._request.get_tensor("UPSCALED").data))


async def run(model: Path, threads: int, count: int, data: bytes, file_format: Format) -> float:
    bare = BareModel(model, threads)

    async def upscale_once() -> None:
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        picture = Picture(pixels=pixels, source_format=file_format)
        scale = next(network.scale for network in FAITHFUL.networks if network.name == model.parents[1].name)
        size = (picture.width * scale, picture.height * scale)
        writer = open_writer(file_format, picture.header(size))
        await upscale(
            picture, size, bare.infer, writer.write, networks=FAITHFUL.networks, tiling=Tiling(in_flight=1)
        )
        writer.finish()

    await upscale_once()
    started = time.perf_counter()
    for _ in range(count):
        await upscale_once()
    return time.perf_counter() - started


def main() -> None:
    model, threads, count, file, file_format = sys.argv[1:]
    data = Path(file).read_bytes()
    seconds = asyncio.run(run(Path(model), int(threads), int(count), data, cast("Format", file_format)))
    print(seconds)


if __name__ == "__main__":
    main()
