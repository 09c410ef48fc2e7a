"""Runs the builder of the models, and shows how many are ready. Its technical notes go to a log."""

import os
import re
import sys
from pathlib import Path

from commands import Runner

PYTHON = Path(".loupe/triton/bin/python")
SOURCES = "services/inference/models"
NOTES = Path(".loupe/models.log")
HOW_FAR = re.compile(r"\d+ of \d+ converted and checked$|downloading \S+$")


def build(runner: Runner, target: Path, networks: list[str]) -> str:
    """Build what is missing. Return how many models were built, or nothing if none was missing."""
    counted = ""

    def follow(line: str) -> None:
        nonlocal counted
        if HOW_FAR.match(line):
            runner.begin(line)
            counted = line if line[0].isdigit() else counted
        elif " is left out: " in line:
            runner.stage.clear()
            sys.stdout.write(f"  {line}\n")

    os.environ["PYTHONPATH"] = SOURCES
    requested = ["--with", *networks] if networks else []
    runner.run(PYTHON, "-m", "builder", ".loupe/models", "--log", NOTES, *requested, on_line=follow)
    return f"{counted} (notes: {NOTES})" if counted else ""
