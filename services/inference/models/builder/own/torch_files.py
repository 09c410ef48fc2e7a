"""Converts a network of PyTorch to ONNX. Only for the builder's image with spandrel, never for a service.

spandrel knows the common architectures of upscalers. It reads `.pth` files without running code from them.
"""

from pathlib import Path

from builder.errors import Refused

SUFFIXES = (".pth", ".pt", ".safetensors", ".ckpt")
SIDE = 64
MISSING = (
    "spandrel is not installed here: build the image loupe-model-builder with TORCH=1, or bring the network "
    "as ONNX"
)


def convert(path: Path, target: Path) -> int:
    """Write the network as ONNX, and return the factor that it enlarges by. Raises `Refused`."""
    try:
        import spandrel  # pyright: ignore[reportMissingImports]  # noqa: PLC0415
        import torch  # pyright: ignore[reportMissingImports]  # noqa: PLC0415
    except ImportError:
        raise Refused(MISSING) from None
    try:
        found = spandrel.ModelLoader("cpu").load_from_file(path)
    except Exception as error:  # noqa: BLE001  spandrel and torch raise many kinds
        raise Refused(f"spandrel does not know this network: {error}") from None
    example = torch.zeros(1, found.input_channels, SIDE, SIDE)
    sides = {2: "height", 3: "width"}
    torch.onnx.export(
        found.model.eval(), (example,), str(target), opset_version=17, input_names=["x"], output_names=["y"],
        dynamic_axes={"x": sides, "y": {2: "upscaled_height", 3: "upscaled_width"}}, dynamo=False,
    )  # fmt: skip
    return int(found.scale)
