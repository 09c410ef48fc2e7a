"""`make bench-peers`: compares Loupe with its peers on the same pictures, and prints a table.

Only rows of one run can be compared. Peers run one after the other, each in a new process. What a peer cannot
do is a result too. The table is also written to .loupe/peers/table.md.
"""

import argparse
import asyncio
import io
import os
import tempfile
from pathlib import Path

from PIL import Image

from loupe_local.log import to_file
from loupe_local.stack import Stack, stack
from tests.bench.peers import losses, running, services
from tests.bench.peers.one import PEERS
from tests.bench.peers.running import FOLDER, Result
from tests.bench.peers.table import as_markdown
from tests.bench.quality_scores import ms_ssim, psnr, ssim
from tests.bench.quality_sets import cases
from tests.pixels import encoded

PHOTO = Path(__file__).parents[3] / "docs" / "photos" / "astronaut.png"
HUGE = (12_000, 12_000)
HUGE_SECONDS = 30.0
LOUPE, BARE = "Loupe", "bare server"
Rows = dict[str, Result]


def photo(side: int) -> bytes:
    return encoded(Image.open(PHOTO).convert("RGB").resize((side, side), Image.Resampling.LANCZOS), "PNG")


def measure_peer(peer: str, sizes: list[int], folder: Path) -> Result:
    """Return everything about one peer that runs as a program."""
    file, result = folder / "file.png", folder / "result.png"
    row: Result = {}
    for side in sizes:
        file.write_bytes(photo(side))
        row[str(side)] = running.run(peer, file, result)
        if "cannot" in row[str(side)]:
            return {"cannot": row[str(side)]["cannot"]}
    scores = list[tuple[float, ...]]()
    for case in cases(4):
        if case.kind == "photo":
            file.write_bytes(case.file)
            running.run(peer, file, result)
            scores.append(score(result.read_bytes(), case.truth))
    add_scores(row, scores)
    row["lost"] = list[str]()
    for original in (losses.demanding_file(), losses.deep_file()):
        file.write_bytes(original)
        row["lost"] += lost_by(running.run(peer, file, result), original, result)
    Image.new("RGB", HUGE, "teal").save(file)
    answer = running.run(peer, file, result, HUGE_SECONDS)
    row["huge"] = answer.get("cannot", "done")
    return row


def score(result: bytes, truth: Image.Image) -> tuple[float, ...]:
    """Return PSNR, SSIM and MS-SSIM."""
    image = Image.open(io.BytesIO(result)).convert("RGB")
    return psnr(image, truth), ssim(image, truth), ms_ssim(image, truth)


def add_scores(row: Result, scores: list[tuple[float, ...]]) -> None:
    """Add the means over all pictures."""
    means = (sum(each) / len(scores) for each in zip(*scores, strict=True))
    row.update(zip(("psnr", "ssim", "ms_ssim"), means, strict=True))


def lost_by(answer: Result, original: bytes, result: Path) -> list[str]:
    return ["all"] if "cannot" in answer else losses.find_losses(original, result.read_bytes())


async def measure_loupe(stack_: Stack, sizes: list[int], folder: Path) -> Result:
    result, token, row = folder / "result.png", stack_.token, Result()
    for side in sizes:
        row[str(side)] = await services.loupe(stack_, photo(side), result, client_token=token)
    scores = list[tuple[float, ...]]()
    for case in (case for case in cases(4) if case.kind == "photo"):
        await services.loupe(stack_, case.file, result, client_token=token)
        scores.append(score(result.read_bytes(), case.truth))
    add_scores(row, scores)
    row["lost"] = list[str]()
    for original in (losses.demanding_file(), losses.deep_file()):
        await services.loupe(stack_, original, result, client_token=token)
        row["lost"] += losses.find_losses(original, result.read_bytes())
    row["huge"] = await services.refusal(stack_, encoded(Image.new("RGB", HUGE, "teal"), "PNG"), token)
    jpeg = encoded(Image.open(PHOTO).convert("RGB"))
    row["images_per_second"] = await services.loupe_images_per_second(stack_, jpeg, token)
    return row


async def measure(sizes: list[int], peers: list[str], folder: Path) -> Rows:
    rows: Rows = {}
    for peer in peers:
        rows[peer] = await asyncio.to_thread(measure_peer, peer, sizes, folder)
        print(f"{peer}: {rows[peer]}", flush=True)
    jpeg = encoded(Image.open(PHOTO).convert("RGB"))
    rows[BARE] = {"images_per_second": await services.bare_images_per_second(jpeg)}
    async with stack(folder / "state", sink=to_file(folder / "log")) as running_stack:
        rows[LOUPE] = await measure_loupe(running_stack, sizes, folder)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--sizes", default="256,1024", help="sides of the pictures, separated by commas")
    parser.add_argument("--peers", default="", help="torch: spandrel too, which takes gigabytes")
    arguments = parser.parse_args()
    sizes = [int(side) for side in arguments.sizes.split(",")]
    has_torch = arguments.peers == "torch"
    FOLDER.mkdir(parents=True, exist_ok=True)
    running.install(has_torch=has_torch)
    peers = [peer for peer in PEERS if has_torch or peer != "spandrel"]
    with tempfile.TemporaryDirectory(prefix="loupe-peers-") as folder:
        rows = asyncio.run(measure(sizes, peers, Path(folder)))
    table = as_markdown(rows, sizes)
    (FOLDER / "table.md").write_text(table)
    print(table)
    print(f"load of the machine at the end, over its {os.cpu_count()} cores: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
