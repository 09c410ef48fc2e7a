"""Installs the peers into a virtual environment of their own, and runs one of them on one file."""

import hashlib
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from loupe_local.state import REPOSITORY
from loupe_local.triton import MODELS

HERE = Path(__file__).parent
FOLDER = REPOSITORY / ".loupe" / "peers"
PYTHON = FOLDER / "venv" / "bin" / "python"
REQUIREMENTS = HERE / "requirements.txt"
GRAPH = MODELS / "span_x4" / "1" / "model.onnx"
MEMORY_BYTES = 8 << 30
"""A peer gets no more, so that a huge picture does not end the machine."""
Result = dict[str, Any]


def install(*, has_torch: bool) -> None:
    """Install what `requirements.txt` pins, unless it is there."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + bytes([has_torch])).hexdigest()
    mark = FOLDER / "installed"
    if mark.exists() and mark.read_text() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER / "venv"], check=True)
    torch = ["torch", "spandrel"] if has_torch else []
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", REQUIREMENTS, *torch], check=True)
    mark.write_text(wanted)


def run(peer: str, file: Path, result: Path, seconds: float = 600) -> Result:
    """Return `seconds`, `cpu_seconds` and `peak_mib`, or why the peer `cannot`."""
    result.unlink(missing_ok=True)
    command = [PYTHON, HERE / "one.py", peer, GRAPH, file, result]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds, preexec_fn=_limit_memory
        )
    except subprocess.TimeoutExpired:
        return {"cannot": f"it takes more than {seconds:.0f} s"}
    return read_answer(done.returncode, done.stdout, done.stderr)


def read_answer(code: int, stdout: str, stderr: str) -> Result:
    """Return the last line's JSON, or why there is none."""
    lines = stdout.splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        last = (stderr.strip().splitlines() or ["nothing"])[-1]
        how = f"signal {-code} ended it" if code < 0 else f"it ended with {code}"
        return {"cannot": f"{how}: {last}"}


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
