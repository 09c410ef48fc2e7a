"""`loupe-admin models …`: checks an operator's own network, so that workers can serve it.

The check runs in the environment of the builder, which has the runtimes. No service can load foreign weights.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from gateway.admin import arguments
from gateway.admin.answers import Answer
from gateway.admin.failures import CommandFailed
from gateway.admin.tables import Page

REPOSITORY = Path(__file__).parents[4]
BUILDER = REPOSITORY / "services" / "inference" / "models"
PYTHON = "LOUPE_BUILDER_PYTHON"
NO_BUILDER = (
    "there is no builder here. Run `make models` in a clone of Loupe, or use the image loupe-model-builder: "
    "see docs/own-models.md"
)


def add_to(nouns: arguments.Nouns) -> None:
    noun = nouns.add("models", "add models of your own", "models check photo-net.onnx")
    check = noun.verb(
        "check", check_model, "measure a network and write its entry", "photo-net.onnx --into own-models"
    )
    check.add_argument("file", metavar="FILE", help="the network as ONNX, with its card FILE.yaml beside it")
    check.add_argument("--card", metavar="FILE", help="the card, if it stands elsewhere")
    check.add_argument(
        "--into", metavar="FOLDER", help="where the entry goes; by default where `make up` looks for it"
    )


async def check_model(file: str, card: str | None, into: str | None) -> Answer:
    """Run the check. Its report is the answer. Raises `CommandFailed` with the measured reason."""
    python = find_builder()
    folder = into or os.environ.get("LOUPE_OWN_MODELS") or str(REPOSITORY / ".loupe" / "own-models")
    command = [str(python), "-m", "builder.own", file, "--into", folder]
    command += ["--card", card] if card else []
    running = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "PYTHONPATH": str(BUILDER)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await running.communicate()
    if running.returncode:
        lines = err.decode(errors="replace").strip().splitlines()
        raise CommandFailed(lines[-1] if lines else f"the builder ended with {running.returncode}")
    report: dict[str, Any] = json.loads(out)
    facts = [(name.replace("_", " "), as_text(value)) for name, value in report.items()]
    return Answer(report, Page(facts), f"Written to {folder}. A Triton that starts from now on loads it.")


def find_builder() -> Path:
    """Return the builder's Python. Raises `CommandFailed` if there is none."""
    python = Path(os.environ.get(PYTHON) or REPOSITORY / ".loupe" / "triton" / "bin" / "python")
    if not python.exists() or not BUILDER.is_dir():
        raise CommandFailed(NO_BUILDER)
    return python


def as_text(value: object) -> str:
    """Return a measured value for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
