"""A network with the precisions in which requests may have it.

Which one a request without a wish gets is measured. A request with the parameter `precision` = `exact` gets
single precision, which is loaded when it is first asked for.
"""

import json
import os
from pathlib import Path
from typing import Any

import choice
import runtimes
from choice import Choice
from runtimes import SINGLE, Runtime

AUTO = "auto"


class Network:
    def __init__(self, path: Path, usual: Choice, threads: int) -> None:
        self._path = path
        self._threads = threads
        self.usual = runtimes.load(path, *usual, threads)
        self._exact: Runtime | None = self.usual if usual.precision == SINGLE else None

    @property
    def exact(self) -> Runtime:
        if self._exact is None:
            self._exact = runtimes.load(self._path, *choice.USUAL, self._threads)
        return self._exact

    def runtime_for(self, parameters: str) -> Runtime:
        """Return what computes a request with these parameters, which Triton gives as JSON."""
        is_exact = bool(parameters) and json.loads(parameters).get("precision") == "exact"
        return self.exact if is_exact else self.usual

    def release_memory(self) -> None:
        for runtime in {self.usual, self._exact or self.usual}:
            runtime.release_memory()


def parameters_of(config: dict[str, Any]) -> dict[str, str]:
    return {key: value["string_value"] for key, value in config.get("parameters", {}).items()}


def count_threads(parameters: dict[str, str]) -> int:
    """Return the number of threads. The environment overrides the configuration; 0 is every core that may be
    used.
    """
    wanted = os.environ.get("LOUPE_TRITON_THREADS") or parameters.get("intra_op_thread_count", "0")
    return int(wanted) or len(os.sched_getaffinity(0))


def load(path: Path, config: dict[str, Any]) -> Network:
    """Load the graph as the configuration says. The environment overrides it.

    `runtime` and `precision` may be `auto`. A runtime that is named computes in single precision, unless the
    precision is named too.
    """
    parameters = parameters_of(config)
    runtime = os.environ.get("LOUPE_TRITON_RUNTIME") or parameters.get("runtime", AUTO)
    precision = os.environ.get("LOUPE_TRITON_PRECISION") or parameters.get("precision", SINGLE)
    threads, is_float = count_threads(parameters), config["input"][0]["data_type"] == "TYPE_FP32"
    if is_float:  # pictures of 16 bits need single precision
        precision = SINGLE
    if runtime == AUTO and precision != runtimes.ROUNDED:
        chosen = choice.choose(path, threads, is_float=is_float, may_round=precision == AUTO)
    else:
        named = choice.USUAL.runtime if runtime == AUTO else runtime
        chosen = Choice(named, SINGLE if precision == AUTO else precision)
    return Network(path, chosen, threads)
