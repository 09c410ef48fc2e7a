"""Which models this worker serves: those whose networks Triton has, as far as the operator wants them.

Triton's models come and go while we run, so it is asked again and again, and `images` is told each time.
"""

import secrets
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from common import errors, log
from inference.networks.registry import AUTO, ENHANCING, MODELS, NAMES, Model, served
from inference.throughput import Throughput
from inference.triton.client import Triton
from inference.triton.errors import TritonFailed
from loupe.images.v1 import images_pb2

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

LOG = log.get(__name__)


class Availability:
    """`models` is what is served now, by name; `wanted` names those that the operator wants, empty: all."""

    def __init__(self, triton: Triton, wanted: Collection[str] = ()) -> None:
        self._triton = triton
        self._wanted = wanted or NAMES
        self._must = bool(wanted)
        self._worker = secrets.token_hex(8)
        self.models: Mapping[str, Model] = {
            name: model for name, model in MODELS.items() if name in self._wanted
        }

    @property
    def names(self) -> list[str]:
        """What images may ask for."""
        return [AUTO, *self.models]

    @property
    def nets(self) -> set[str]:
        """What Triton must have for it, whatever is offered of the usual models."""
        return served((*MODELS.values(), *self.models.values()))

    async def wait_ready(self) -> None:
        """Raises unless Triton has all that must be there."""
        await self._triton.wait_ready(*sorted(served()))
        await self.look()
        if self._must and (missing := [name for name in self._wanted if name not in self.models]):
            nets = " or ".join(net.name for model in ENHANCING for net in model.nets)
            raise TritonFailed(f"INFERENCE_MODELS names {missing[0]}, for which Triton has no {nets}")

    async def look(self) -> None:
        """Takes up what has come, and drops what has gone."""
        models = {name: model for name, model in MODELS.items() if name in self._wanted}
        for model in ENHANCING:
            if model.name in self._wanted and model.name not in models and await self._has(model):
                models[model.name] = model
        if models != self.models:
            LOG.info("models", served=sorted(models))
        self.models = models

    async def tell(self, images: "ImagesServiceAsyncStub", pace: Throughput) -> None:
        """Looks first. Who cannot be reached is tried again the next time."""
        try:
            await self.look()
            offers = [
                images_pb2.AnnounceModelsRequest.Offer(name=model.name, nets=[net.name for net in model.nets])
                for model in self.models.values()
            ]
            request = images_pb2.AnnounceModelsRequest(
                models=offers, worker=self._worker, megapixels_per_second=pace.megapixels_per_second
            )
            await images.AnnounceModels(request)
        except (TritonFailed, errors.ServiceError) as error:
            LOG.warning("models are not told", error=str(error))

    async def _has(self, model: Model) -> bool:
        for name in sorted(served((model,))):
            if not await self._triton.has(name):
                return False
        return True
