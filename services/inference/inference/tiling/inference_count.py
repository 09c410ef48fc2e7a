"""Counts what networks write for one image."""

from inference.networks.network import Answer, Infer, Tensor


class InferenceCount:
    """An `Infer` that counts the pixels of another one's answers."""

    def __init__(self, infer: Infer) -> None:
        self._infer = infer
        self.megapixels = 0.0

    async def __call__(self, model: str, tensor: Tensor, *rest: object) -> Answer:
        answer = await self._infer(model, tensor, *rest)
        if answer.upscaled.ndim == tensor.ndim:  # no sums of a layer
            self.megapixels += answer.upscaled[0, 0].size / 1e6
        return answer
