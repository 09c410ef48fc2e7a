"""Whether every model of Triton's enlarges a tile, asked by the kubelet inside of Triton's container.

Triton calls itself alive, and a model ready, whose process has died or whose GPU has failed. Plain Python
3.10 over the loopback, for NVIDIA's image has no client. No time limit of its own: the probe has one.
"""
# ruff: noqa: INP001, S310, T201  a script, whose output the kubelet shows, and which asks one address

import json
import struct
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SERVER = "http://127.0.0.1:8000/v2"
SIDE = 64
GREY = {"UINT8": b"\x80", "FP32": struct.pack("<f", 0.5)}


def ask(path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    request = urllib.request.Request(f"{SERVER}/{path}", body, headers or {})
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def loaded() -> list[dict[str, Any]]:
    """Those that were ever loaded; the others have no state."""
    return [model for model in json.loads(ask("repository/index", b"{}")) if model.get("state")]


def enlarges(model: str) -> None:
    [taken] = json.loads(ask(f"models/{model}"))["inputs"]
    tile = GREY[taken["datatype"]] * (3 * SIDE * SIDE)
    image = {"name": taken["name"], "shape": [1, 3, SIDE, SIDE], "datatype": taken["datatype"]}
    image["parameters"] = {"binary_data_size": len(tile)}
    wanted = {"name": "UPSCALED", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [image], "outputs": [wanted]}).encode()
    ask(f"models/{model}/infer", head + tile, {"Inference-Header-Content-Length": str(len(head))})


def problem(model: dict[str, Any]) -> str:
    if model["state"] != "READY":
        return f"{model['name']} is {model['state']}: {model.get('reason', '')}"
    try:
        enlarges(model["name"])
    except urllib.error.HTTPError as error:
        return f"{model['name']} answered {error.code}: {error.read().decode()}"
    return ""


def main() -> int:
    models = loaded()
    with ThreadPoolExecutor(max(1, len(models))) as each:
        problems = [told for told in each.map(problem, models) if told]
    print("\n".join(problems or ([] if models else ["no model is loaded"])))
    return 1 if problems or not models else 0


if __name__ == "__main__":
    sys.exit(main())
