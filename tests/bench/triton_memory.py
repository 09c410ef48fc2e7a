"""`make bench-memory`: the most memory that Triton and the pipeline take for one large result.

Only Triton runs beside this process, and the processor time of all of its processes is counted. Memory is the
proportional set size, which counts each shared page once.
"""

import argparse
import asyncio
import io
import resource
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from inference.availability import Availability
from inference.picture import Picture
from inference.pipeline import render
from inference.render_spec import RenderSpec
from inference.tiling.tiles import Tiling
from inference.triton.capacity import CPU_TILE
from inference.triton.client import Triton
from loupe_local import triton as triton_server
from loupe_local.log import to_file
from loupe_local.supervisor import Supervisor
from tests.bench.measure import cpu_seconds_of_all, share_mib
from tests.bench.pipeline import PHOTO

SCALE, IN_FLIGHT, EVERY_SECONDS, TILE_SECONDS = 4, 2, 0.5, 600.0


async def peak_mib(pid: int, work: asyncio.Task[bytes]) -> float:
    """Return the most memory of Triton's processes while the work lasts."""
    peak = 0.0
    while not work.done():
        peak = max(peak, await asyncio.to_thread(share_mib, pid))
        await asyncio.wait([work], timeout=EVERY_SECONDS)
    return peak


async def measure(model: str, side: int, *, is_exact: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="loupe-bench-") as name:
        folder = Path(name)
        async with Supervisor(folder, sink=to_file(folder / "log")) as supervisor:
            server = replace(triton_server.triton(supervisor.state), secret="")
            await supervisor.start(triton_server.process(server))
            pid = supervisor.pid("triton")
            triton = Triton(server.grpc, seconds=TILE_SECONDS, in_flight=IN_FLIGHT)
            availability = Availability(triton, ())
            await availability.ensure_required()
            await triton.send_canaries(sorted(availability.network_names))
            idle, before = share_mib(pid), cpu_seconds_of_all([pid])

            async def infer(*request: object) -> object:
                return await triton.infer(*request, is_exact=is_exact)  # pyright: ignore[reportArgumentType]

            networks = availability.models[model].networks
            size, tiling = (side * SCALE, side * SCALE), Tiling(CPU_TILE, IN_FLIGHT)
            spec = RenderSpec(size, "JPEG", networks, tiling, is_single=is_exact)
            work = asyncio.create_task(render(picture_of(side), spec, infer))  # pyright: ignore[reportArgumentType]
            peak = await peak_mib(pid, work)
            spent = cpu_seconds_of_all([pid]) - before
            await triton.close()
        megapixels = (side * SCALE) ** 2 / 1e6
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size = Image.open(io.BytesIO(work.result())).size
        print(f"{model}, {side} x {side} to {size[0]} x {size[1]}")
        print(f"Triton without work        {idle:7.0f} MiB")
        print(f"Triton at most             {peak:7.0f} MiB")
        print(f"this process at most       {own:7.0f} MiB")
        print(f"Triton's processor time    {spent / megapixels:7.2f} s a megapixel of result")


def picture_of(side: int) -> Picture:
    with Image.open(PHOTO) as photo:
        pixels = np.asarray(photo.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))
    return Picture(pixels, "PNG", is_lossless=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-memory", description=__doc__)
    parser.add_argument("--model", default="faithful")
    parser.add_argument("--side", type=int, default=4096, help="of the original, in pixels")
    parser.add_argument("--exact", action="store_true", help="in single precision")
    arguments = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None
    asyncio.run(measure(arguments.model, arguments.side, is_exact=arguments.exact))


if __name__ == "__main__":
    main()
