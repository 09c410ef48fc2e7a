"""The GPU and the TensorRT that engines are built with here: an engine runs with exactly these."""

import re
import shutil
import subprocess
from dataclasses import dataclass

from serving.errors import Stopped

TRTEXEC_PATH = "/usr/src/tensorrt/bin/trtexec"
OLDEST = 10
"""The first TensorRT that takes precisions from the graph alone as we write them."""


@dataclass(frozen=True)
class Machine:
    gpu: str
    compute_capability: str
    tensorrt: str
    """Release and build, as in `10.16.2 b10`."""
    trtexec: str


def find_machine() -> Machine:
    gpu, capability = find_gpu()
    trtexec = shutil.which("trtexec") or shutil.which(TRTEXEC_PATH)
    if trtexec is None:
        raise Stopped(f"no trtexec on the path or at {TRTEXEC_PATH}: this must run in Triton's own container")
    return Machine(gpu, capability, version_of(trtexec), trtexec)


def find_gpu() -> tuple[str, str]:
    """Name and compute capability."""
    command = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Stopped(f"no GPU: nvidia-smi cannot be run ({error.strerror})") from None
    kinds = sorted({line.strip() for line in asked.stdout.splitlines() if line.strip()})
    if asked.returncode or not kinds:
        raise Stopped(f"no GPU: nvidia-smi says: {last_line(asked.stdout + asked.stderr)}")
    if len(kinds) > 1:
        raise Stopped(f"GPUs of different kinds ({'; '.join(kinds)}): an engine is for one kind, give it one")
    name, _, capability = kinds[0].rpartition(",")
    if not name or not re.fullmatch(r"\d+\.\d+", capability.strip()):
        raise Stopped(f"nvidia-smi answers {kinds[0]!r} where a name and a compute capability are meant")
    return name.strip(), capability.strip()


def version_of(trtexec: str) -> str:
    """From the banner that precedes its help: `[TensorRT v101602] [b10]`."""
    try:
        asked = subprocess.run([trtexec, "--help"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise Stopped(f"{trtexec} cannot be run ({error.strerror})") from None
    said = asked.stdout + asked.stderr
    banner = re.search(r"\[TensorRT v([\d.]+)\](?: \[(b\d+)\])?", said)
    if banner is None:
        raise Stopped(f"{trtexec} does not tell its TensorRT, it says: {last_line(said)}")
    release = spelt(banner[1])
    if int(release.split(".")[0]) < OLDEST:
        raise Stopped(f"TensorRT {release} is too old: the engines need {OLDEST} or newer")
    return f"{release} {banner[2]}" if banner[2] else release


def spelt(number: str) -> str:
    """101602 is 10.16.2, and 8601, as it was written before, 8.6.1."""
    if "." in number:
        return number
    major, rest = divmod(int(number), 10000 if len(number) > 5 else 1000)
    return f"{major}.{rest // 100}.{rest % 100}"


def last_line(said: str) -> str:
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "nothing")
