"""Determines which models this worker serves, and announces them to `images`.

A model is served if Triton has its networks and the operator has not excluded it. Triton's models may
change while the worker runs, so the worker reads them again before each announcement.
"""

import secrets
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from common import errors, log
from inference.networks.auto import REQUIRED
from inference.networks.registry import AUTO, BUILT_IN, PARAMETER, Model, assemble_models, network_names
from inference.throughput import Throughput
from inference.triton.client import Triton
from inference.triton.errors import OutdatedRepository, TritonFailed
from loupe.images.v1 import images_pb2
from loupe.images.v1.known_models import KNOWN_MODELS

if TYPE_CHECKING:
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

LOG = log.get(__name__)
OUTDATED = (
    "none of Triton's models says what it is: an earlier release built its repository. Build it again with "
    "`make models`, or take the models' container image of this release, and start Triton again"
)


class Availability:
    """The models that this worker serves at the moment.

    `wanted` names those of Loupe's models that the operator wants to serve; empty: all that Triton has.
    Models that the operator has added are always served, unless only those for commercial use may be.
    """

    def __init__(
        self, triton: Triton, wanted: Collection[str] = (), *, commercial_only: bool = False
    ) -> None:
        self._triton = triton
        self._wanted = wanted
        self._commercial_only = commercial_only
        self._worker_id = secrets.token_hex(8)
        self._required: Mapping[str, Model] = {}
        """Models that `auto` needs, from the first time that Triton had them: a network that died and is
        loaded again must not make the worker choose another model.
        """
        self.models: Mapping[str, Model] = {}
        """The models that this worker serves now, by name."""

    @property
    def names(self) -> list[str]:
        """The names that a client may request."""
        return [AUTO, *self.models]

    @property
    def network_names(self) -> set[str]:
        """The networks that Triton must have, also for models that `auto` needs and the operator excludes."""
        return network_names((*self._required.values(), *self.models.values()))

    async def ensure_required(self) -> None:
        """Read what Triton has, and load what is missing. Raises `TritonFailed` if a required model is
        missing.
        """
        await self.refresh()
        if self._missing():
            await self._triton.load_missing()
            await self.refresh()
        if missing := self._missing():
            raise TritonFailed(f"Triton has no networks for the model {missing[0]}, for 8 and for 16 bits")
        if absent := [name for name in self._wanted if name not in self.models]:
            raise TritonFailed(
                f"INFERENCE_MODELS names {absent[0]}, for which Triton has no {known_networks(absent[0])}"
            )

    async def refresh(self) -> None:
        """Set `models` to what Triton has now. Raises `TritonFailed`."""
        configurations = await self._triton.read_parameter(PARAMETER)
        if not configurations and not self._required:
            raise OutdatedRepository(OUTDATED)
        found = assemble_models(configurations)
        self._required = {**self._required, **{name: found[name] for name in REQUIRED if name in found}}
        known = {**self._required, **found, **BUILT_IN}
        models = {name: model for name, model in known.items() if self._is_served(model)}
        if models != self.models:
            LOG.info("the models that this worker serves have changed", models=sorted(models))
        self.models = models

    async def announce(
        self, images: "ImagesServiceAsyncStub", throughput: Throughput, places: int = 0
    ) -> None:
        """Refresh, and announce to `images` what is served, and how fast. `places` is the number of jobs that
        the worker does at the same time. If Triton or `images` cannot be reached, log it:
        the next call tries again.
        """
        try:
            await self.refresh()
            request = images_pb2.AnnounceModelsRequest(
                models=[to_offer(model) for model in self.models.values()],
                worker=self._worker_id,
                megapixels_per_second=throughput.megapixels_per_second,
                speeds=[
                    images_pb2.AnnounceModelsRequest.Speed(kind=kind, megapixels_per_second=speed)
                    for kind, speed in throughput.speeds.items()
                ],
                seconds_per_job=throughput.seconds_per_job,
                places=places,
            )
            await images.AnnounceModels(request)
        except (TritonFailed, errors.ServiceError) as error:
            LOG.warning("could not announce the models to images; trying again soon", error=str(error))

    def _is_served(self, model: Model) -> bool:
        if self._commercial_only and not model.is_commercial:
            return False
        return not self._wanted or model.name in self._wanted or bool(model.label)

    def _missing(self) -> list[str]:
        return [name for name in REQUIRED if name not in self._required]


def to_offer(model: Model) -> images_pb2.AnnounceModelsRequest.Offer:
    return images_pb2.AnnounceModelsRequest.Offer(
        name=model.name,
        nets=[network.name for network in model.networks],
        description=model.description,
        best_for=model.best_for,
        network=model.title,
        source=model.source,
        licence=model.licence,
        scales=model.factors,
        title=model.label,
        commercial_use=model.is_commercial,
    )


def known_networks(model: str) -> str:
    """Return the names of the networks that the model may be made of, for an error message."""
    known = next(one for one in KNOWN_MODELS if one.name == model)
    return " or ".join(network.name for network in known.networks)
