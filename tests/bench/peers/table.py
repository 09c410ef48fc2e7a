"""Writes the results of all peers as one table."""

from collections.abc import Mapping, Sequence
from typing import Any

SCALE = 4
Rows = Mapping[str, Mapping[str, Any]]


def as_markdown(rows: Rows, sizes: Sequence[int]) -> str:
    """Return seconds, CPU seconds and peak memory, each for a megapixel of result where that makes sense."""
    head = ["", *(f"{side}²: s · CPU-s per MP · peak MiB" for side in sizes)]
    head += ["PSNR, dB", "SSIM", "MS-SSIM", "images/s, 8 clients", "lost", "12,000 x 12,000"]
    lines = [head, ["---"] * len(head), *(line_of(name, row, sizes) for name, row in rows.items())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def line_of(name: str, row: Mapping[str, Any], sizes: Sequence[int]) -> list[str]:
    if "cannot" in row:
        return [name, f"cannot run: {row['cannot']}", *[""] * (len(sizes) + 5)]
    cells = [cost_of(row.get(str(side)), side) for side in sizes]
    scores = (("psnr", ".2f"), ("ssim", ".3f"), ("ms_ssim", ".3f"))
    cells += [f"{row[key]:{form}}" if key in row else "" for key, form in scores]
    rate = row.get("images_per_second")
    lost = ", ".join(row["lost"]) or "nothing" if "lost" in row else ""
    return [name, *cells, f"{rate:.2f}" if rate else "", lost, row.get("huge", "")]


def cost_of(cost: Mapping[str, float] | None, side: int) -> str:
    if cost is None:
        return ""
    megapixels = (side * SCALE) ** 2 / 1e6
    seconds, cpu = cost["seconds"] / megapixels, cost["cpu_seconds"] / megapixels
    return f"{seconds:.2f} · {cpu:.2f} · {cost['peak_mib']:.0f}"
