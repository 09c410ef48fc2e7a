"""Says how much work an image is, and which kind of work, before any worker has looked at it.

Workers measure their speed for each kind, because networks and scales differ in speed up to forty times.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from images.catalogue import AUTO
from images.tables import Image
from loupe.images.v1.known_models import KNOWN_MODELS, KnownModel, KnownNetwork

SCALES = (2, 4)
"""The scales of networks. A result takes the smallest scale that reaches its size."""
PROBABLE = {True: "clean", False: "faithful"}
"""The model that `auto` mostly chooses, for worn originals and for others."""
FAITHFUL, ENHANCE, MIXED = "faithful", "enhance", "enhance+faithful"
"""The models of `strength`: at 0, at 1, and between, where both run."""
Size = tuple[int, int]
"""Width and height in pixels."""


def model_of(model: str, strength: float | None) -> str:
    """Return the requested model, or what a strength makes of it."""
    if model != ENHANCE or strength in (None, 1):
        return model
    return MIXED if strength else FAITHFUL


def kind_of(model: str, scale: int, *, is_worn: bool) -> str:
    """Return the kind of work: the requested model, the scale of its network, and the kind of original.

    The words are those that workers and rows of earlier releases use, where each JPEG counted as worn.
    """
    return f"{model}/x{scale}/{'lossy' if is_worn else 'lossless'}"


def network_scale(original: Size, result: Size) -> int:
    """Return the scale of the network that makes a result of this size."""
    ratio = max(result[0] / original[0], result[1] / original[1])
    return next((scale for scale in SCALES if scale >= ratio), max(SCALES))


def work_megapixels(original: Size, scale: int) -> float:
    """Return the megapixels that the network writes for one picture."""
    return original[0] * original[1] * scale**2 / 1e6


@dataclass(frozen=True, slots=True)
class Speeds:
    """The speeds of one or several workers. Without any measurement nothing can be estimated."""

    by_kind: Mapping[str, float] = field(default_factory=dict[str, float])
    """Megapixels of network output per second, by kind of work."""
    other: float | None = None
    """The speed of all kinds together, for a kind that cannot be compared with a measured one."""
    seconds_per_job: float = 0.0
    """Time that a job takes beside its pixels."""
    costs: Mapping[str, float] = field(default_factory=lambda: COSTS)
    """Operations for a pixel of the output, by kind of work."""

    def of(self, kind: str | None) -> float | None:
        """Return the speed of a kind, measured or derived from another kind. None if it is not known."""
        return self.by_kind.get(kind or "") or self._derived(kind or "") or self.other

    def known(self) -> dict[str, float]:
        """Return the speed of each kind, measured or derived, without those that are not known."""
        kinds = {*self.costs, *self.by_kind}
        return {kind: speed for kind in kinds if (speed := self.of(kind))}

    def seconds(self, image: Image) -> float | None:
        """Return the seconds that a worker needs for the image from its start. None if they are not known."""
        speed = self.of(image.work_kind)
        return megapixels_of(image) / speed + self.seconds_per_job if speed else None

    def _derived(self, kind: str) -> float | None:
        """Return the smallest speed that measured kinds suggest, by the operations that a pixel takes."""
        costs = self.costs
        if not (cost := costs.get(kind)):
            return None
        found = [speed * costs[known] / cost for known, speed in self.by_kind.items() if known in costs]
        return min(found, default=None)


def megapixels_of(image: Image) -> float:
    """Return the work of an image. Rows of the previous release do not have it, so their result counts."""
    if image.work_megapixels is not None:
        return image.work_megapixels
    return image.upscaled_width * image.upscaled_height / 1e6


def total(workers: Iterable[Speeds]) -> Speeds:
    """Return the speeds of several workers together."""
    each = list(workers)
    kinds = {kind for speeds in each for kind in speeds.by_kind}
    by_kind = {kind: sum(speeds.of(kind) or 0 for speeds in each) for kind in kinds}
    others = [speeds.other for speeds in each if speeds.other]
    seconds = max((speeds.seconds_per_job for speeds in each), default=0.0)
    costs = each[0].costs if each else COSTS
    return Speeds(by_kind, sum(others) or None, seconds / max(1, len(each)), costs)


def costs_of(announced: Collection[str] = ()) -> dict[str, float]:
    """Return the operations for a pixel of the output, by kind of work.

    `announced` names the networks that workers have. A model may use one of several.
    """
    models = {model.name: _networks(model, announced) for model in KNOWN_MODELS}
    costs: dict[str, float] = {}
    for name, own in models.items():
        if not own and name != AUTO:
            continue  # it repeats pixels, and cannot be compared with a network
        for scale in SCALES:
            for is_worn, probable in PROBABLE.items():
                networks = models[probable if name == AUTO else name]
                costs[kind_of(name, scale, is_worn=is_worn)] = _operations(networks, scale)
    for scale, is_worn in product(SCALES, PROBABLE):
        mixed, *parts = (kind_of(each, scale, is_worn=is_worn) for each in (MIXED, FAITHFUL, ENHANCE))
        costs[mixed] = sum(costs[part] for part in parts)
    return costs


def _networks(model: KnownModel, announced: Collection[str]) -> Sequence[KnownNetwork]:
    """Return the networks that workers have, or all known ones if none was announced."""
    return [network for network in model.networks if network.name in announced] or model.networks


def _operations(networks: Sequence[KnownNetwork], scale: int) -> float:
    """Return the operations for a pixel of the output. A network of a smaller scale runs several times."""
    network = next((each for each in networks if each.scale == scale), networks[0])
    inputs, reached = 1, network.scale
    while reached < scale:
        inputs, reached = inputs + reached**2, reached * network.scale
    return network.kflop * inputs / scale**2


COSTS = costs_of()
"""Operations for a pixel of the output, by kind of work, with all known networks."""
