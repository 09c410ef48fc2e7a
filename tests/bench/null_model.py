"""A model that costs almost nothing: it repeats each pixel, and none is uncertain.

The real Triton serves it under the names of the real models.
"""

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # pyright: ignore[reportMissingImports]  part of Triton


class TritonPythonModel:
    """Triton's Python back end requires this class name and these methods."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        self._scale = int(config["parameters"]["scale"]["string_value"])
        self._outputs = [output["name"] for output in config["output"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        image = pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy()
        tensors = {"UPSCALED": image.repeat(self._scale, 2).repeat(self._scale, 3)}
        if "DOUBT" in self._outputs:
            tensors["DOUBT"] = np.zeros((len(image), 1, *image.shape[2:]), np.uint8)
        return pb_utils.InferenceResponse([pb_utils.Tensor(*each) for each in tensors.items()])
