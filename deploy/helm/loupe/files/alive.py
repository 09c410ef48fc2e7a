"""Check that every model but the lazy ones upscales a tile. The kubelet runs this in Triton's container.

Triton's own health checks stay green when the process of a model has died or the GPU has failed. Triton never
collects a dead process. Its threads, descriptors and shared memory stay, if the model is loaded again too, so
the check fails after some deaths. The script is plain Python 3.10, because NVIDIA's image has no client. It
has no time limit: the probe has one.
"""
# ruff: noqa: INP001, S310, T201  a script: the kubelet shows what it prints, and the one URL is a constant

import json
import math
import os
import struct
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SERVER = "http://127.0.0.1:8000/v2"
SECRET = {"loupe-secret": Path(os.environ["LOUPE_TRITON_SECRET_FILE"]).read_text()}
SIDE = 64
OWN = "own_"
"""Begins the names of models that an operator has added."""
MOST_DEAD = 5
"""After this many dead processes of models, Triton has to be started anew."""
GREY = {"UINT8": b"\x80", "FP32": struct.pack("<f", 0.5)}
ZERO = {"FP32": bytes(4)}


def request(path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    message = urllib.request.Request(f"{SERVER}/{path}", body, SECRET | (headers or {}))
    with urllib.request.urlopen(message) as answer:
        return answer.read()


def loaded_models() -> list[dict[str, Any]]:
    """Return the models that Triton has loaded at some time. The others have no state.

    An operator's model that cannot be loaded is left out, because a restart would not help it.
    """
    known = [model for model in json.loads(request("repository/index", b"{}")) if model.get("state")]
    return [model for model in known if model["state"] == "READY" or not model["name"].startswith(OWN)]


def is_lazy(model: str) -> bool:
    """Return whether the model's process loads it at the first tile. The probe does not make it do so."""
    parameters = json.loads(request(f"models/{model}/config")).get("parameters", {})
    return parameters.get("is_lazy", {}).get("string_value") == "true"


def upscale_tile(model: str) -> None:
    """Upscale a grey tile. Raise `HTTPError` if Triton refuses."""
    tensors: list[bytes] = []
    inputs: list[dict[str, Any]] = []
    for expected in json.loads(request(f"models/{model}"))["inputs"]:
        if expected["name"] == "IMAGE":
            shape, value = [1, 3, SIDE, SIDE], GREY[expected["datatype"]]
        else:  # what some models want to know of the whole picture
            shape, value = [1, *expected["shape"][1:]], ZERO[expected["datatype"]]
        tensors.append(value * math.prod(shape))
        sizes = {"parameters": {"binary_data_size": len(tensors[-1])}}
        inputs.append({"name": expected["name"], "shape": shape, "datatype": expected["datatype"]} | sizes)
    output = {"name": "UPSCALED", "parameters": {"binary_data": True}}
    header = json.dumps({"inputs": inputs, "outputs": [output]}).encode()
    body = header + b"".join(tensors)
    request(f"models/{model}/infer", body, {"Inference-Header-Content-Length": str(len(header))})


def problem(model: dict[str, Any]) -> str:
    """Return a sentence that says why the model does not work, or an empty string."""
    if model["state"] != "READY":
        return f"{model['name']} is {model['state']}: {model.get('reason', '')}"
    try:
        if not is_lazy(model["name"]):
            upscale_tile(model["name"])
    except urllib.error.HTTPError as error:
        return f"{model['name']} answered {error.code}: {error.read().decode()}"
    return ""


def dead_processes() -> int:
    """Return how many dead processes Triton has not collected. Its arguments with its port identify it."""
    port = f"--http-port={SERVER.split(':')[2].partition('/')[0]}".encode()
    dead = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state == "Z" and port in Path("/proc", parent, "cmdline").read_bytes().split(b"\0"):
                dead += 1
        except OSError:  # the process has ended meanwhile
            continue
    return dead


def main() -> int:
    models, dead = loaded_models(), dead_processes()
    with ThreadPoolExecutor(max(1, len(models))) as threads:
        problems = [text for text in threads.map(problem, models) if text]
    if not models:
        problems.append("no model is loaded")
    if dead >= MOST_DEAD:
        problems.append(f"{dead} processes of models have died, and Triton has not freed what they used")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
