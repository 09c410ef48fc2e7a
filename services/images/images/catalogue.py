"""What clients are told about each model, whichever of them an installation serves; the documents repeat it.

The workers know by these names what they serve, and tell it: see `domain.models`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Network:
    title: str
    source: str
    """Whose weights they are, at GitHub."""
    licence: str
    """That of the weights."""


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    description: str
    best_for: str
    nets: tuple[str, ...] = ()
    """Networks that it may be made of, as Triton knows them, the usual one first."""

    def network(self, announced: Sequence[str]) -> Network | None:
        """The one that it is made of now."""
        return next((NETWORKS[net] for net in (*announced, *self.nets) if net in NETWORKS), None)


SPAN = Network("SPAN, 48 channels", "hongyuanyu/SPAN", "Apache-2.0")
NETWORKS = {
    "span_x2": SPAN,
    "span_x4": SPAN,
    "waifu2x_photo_x2": Network("UpConv7, photo, noise 1", "nagadomi/waifu2x", "MIT"),
    "realesrgan_x4plus": Network("RRDB, 23 blocks", "xinntao/Real-ESRGAN", "BSD-3-Clause"),
    "realesr_general_x4v3": Network("SRVGG, 32 layers", "xinntao/Real-ESRGAN", "BSD-3-Clause"),
}
MODELS = (
    Model(
        AUTO,
        "Takes faithful or clean, seldom enhance, by what the picture is, and tells why.",
        "everything, unless you know better",
    ),
    Model(
        "faithful",
        "Stays nearest to the original.",
        "clean photos",
        ("span_x2", "span_x4"),
    ),
    Model(
        "clean",
        "Takes away what compression left, and keeps edges and plain colours.",
        "worn JPEGs, text, line art, few colours",
        ("waifu2x_photo_x2",),
    ),
    Model(
        "enhance",
        "Invents edges and removes noise: looks best on worn input, and is further from the original.",
        "worn photos that are to look good",
        ("realesrgan_x4plus", "realesr_general_x4v3"),
    ),
)
"""In the order in which they are listed."""
USUAL = (AUTO, "faithful", "clean")
"""What every worker serves that does not say otherwise."""
