"""Writes the table of docs/chaos.md from the outcomes of runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "chaos.md"
BEGIN, END = "<!-- runs: written by make chaos-report -->", "<!-- end of runs -->"


def write(outcomes: Sequence[Mapping[str, Any]], page: Path = PAGE) -> None:
    """Replace the part of the page between its two marks."""
    head, _, rest = page.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n\n{table(outcomes)}\n\n{END}{tail}")


def table(outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Return two tables in Markdown: a line for each run, and a line for each component."""
    runs = sorted(outcomes, key=lambda each: each["seed"])
    lines = [
        "| seed | images accepted | killed, stopped or frozen | violations | minutes |",
        "|---|---|---|---|---|",
    ]
    for each in runs:
        found = "; ".join(f"{name}: {len(lines_)}" for name, lines_ in each["violations"].items()) or "none"
        kills, minutes = sum(each["kills"].values()), each["seconds"] / 60
        lines.append(f"| {each['seed']} | {each['accepted']} | {kills} | {found} | {minutes:.1f} |")
    kills, strikes = Counter[str](), Counter[str]()
    for each in runs:
        kills.update(each["kills"])
        strikes.update(each["strikes"])
    accepted = sum(each["accepted"] for each in runs)
    found = sum(len(lines_) for each in runs for lines_ in each["violations"].values())
    lines.append(f"| all | {accepted} | {kills.total()} | {found or 'none'} | |")
    lines += ["", "| component | killed, stopped or frozen |", "|---|---|"]
    lines += [f"| {name} | {count} |" for name, count in sorted(kills.items())]
    lines += ["", "| fault | times |", "|---|---|"]
    lines += [f"| {name} | {count} |" for name, count in sorted(strikes.items())]
    return "\n".join(lines)
