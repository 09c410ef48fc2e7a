"""Finds the GPU and the TensorRT of this machine. An engine only runs with exactly the ones it was built
with.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass

from serving.errors import Stopped

TRTEXEC_PATH = "/usr/src/tensorrt/bin/trtexec"
SLICE = re.compile(r"MIG (\S+) +Device")
"""A line of `nvidia-smi --list-gpus`, such as `MIG 1g.10gb     Device  0: (UUID: MIG-…)`."""
OLDEST = 10
"""The first TensorRT that takes the precisions from our graphs alone."""


@dataclass(frozen=True)
class Gpu:
    """The GPU that an engine depends on. A larger slice of it has more multiprocessors and more memory."""

    name: str
    compute_capability: str
    memory: str
    """The memory as nvidia-smi writes it, such as `23034 MiB`."""
    mig: str
    """The profile of its MIG slice, such as `1g.10gb`, or an empty string for a whole GPU."""

    @property
    def facts(self) -> dict[str, str]:
        kind = {"gpu": self.name, "compute_capability": self.compute_capability}
        return kind | {"memory": self.memory, "mig": self.mig}


@dataclass(frozen=True)
class Machine:
    gpu: Gpu
    tensorrt: str
    """Release and build, as in `10.16.2 b10`."""
    trtexec: str


def find_machine() -> Machine:
    gpu = find_gpu()
    trtexec = shutil.which("trtexec") or shutil.which(TRTEXEC_PATH)
    if trtexec is None:
        raise Stopped(f"no trtexec on the path or at {TRTEXEC_PATH}: this must run in Triton's own container")
    return Machine(gpu, version_of(trtexec), trtexec)


def find_gpu() -> Gpu:
    """Return the GPU, or the MIG slice, that this container may use. Raises `Stopped`."""
    kinds = sorted(set(_lines("--query-gpu=name,compute_cap,memory.total", "--format=csv,noheader")))
    if not kinds:
        raise Stopped("no GPU: nvidia-smi names none")
    if len(kinds) > 1:
        raise Stopped(f"GPUs of different kinds ({'; '.join(kinds)}): an engine is for one kind, give it one")
    name, capability, memory = ["", "", *(part.strip() for part in kinds[0].rsplit(",", 2))][-3:]
    if not name or not re.fullmatch(r"\d+\.\d+", capability):
        raise Stopped(f"nvidia-smi answers {kinds[0]!r} instead of a name, a compute capability and a memory")
    slices = sorted({found[1] for line in _lines("--list-gpus") if (found := SLICE.match(line))})
    if len(slices) > 1:
        raise Stopped(f"MIG slices of different sizes ({'; '.join(slices)}): give it one")
    return Gpu(name, capability, memory, "".join(slices))


def _lines(*argv: str) -> list[str]:
    """Return what nvidia-smi answers. Raises `Stopped`."""
    try:
        result = subprocess.run(["nvidia-smi", *argv], capture_output=True, text=True, check=False)
    except OSError as error:
        raise Stopped(f"no GPU: nvidia-smi cannot be run ({error.strerror})") from None
    if result.returncode:
        raise Stopped(f"no GPU: nvidia-smi says: {last_line(result.stdout + result.stderr)}")
    return [line.strip() for line in result.stdout.splitlines() if line.strip()]


def version_of(trtexec: str) -> str:
    """Return release and build from the banner of its help, `[TensorRT v101602] [b10]`."""
    try:
        result = subprocess.run([trtexec, "--help"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise Stopped(f"{trtexec} cannot be run ({error.strerror})") from None
    output = result.stdout + result.stderr
    banner = re.search(r"\[TensorRT v([\d.]+)\](?: \[(b\d+)\])?", output)
    if banner is None:
        raise Stopped(f"{trtexec} does not name its TensorRT, it says: {last_line(output)}")
    release = format_release(banner[1])
    if int(release.split(".")[0]) < OLDEST:
        raise Stopped(f"TensorRT {release} is too old: the engines need {OLDEST} or newer")
    return f"{release} {banner[2]}" if banner[2] else release


def format_release(number: str) -> str:
    """Return 10.16.2 for 101602, and 8.6.1 for 8601, which is the older notation."""
    if "." in number:
        return number
    major, rest = divmod(int(number), 10000 if len(number) > 5 else 1000)
    return f"{major}.{rest // 100}.{rest % 100}"


def last_line(said: str) -> str:
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "nothing")
