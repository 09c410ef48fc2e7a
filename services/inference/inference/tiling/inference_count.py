"""Counts what networks write for one image, and notes in which precision they compute."""

from inference.networks.network import Answer, Infer, Tensor


class InferenceCount:
    """An `Infer` that counts the pixels and notes the precisions of another one's answers."""

    def __init__(self, infer: Infer) -> None:
        self._infer = infer
        self.megapixels = 0.0
        self.precisions = set[str]()

    async def __call__(self, model: str, tensor: Tensor, *rest: object) -> Answer:
        answer = await self._infer(model, tensor, *rest)
        if answer.upscaled.ndim == tensor.ndim:  # no sums of a layer
            self.megapixels += answer.upscaled[0, 0].size / 1e6
        self.precisions.add(answer.precision)
        return answer
