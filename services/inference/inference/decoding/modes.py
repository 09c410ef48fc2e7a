"""The modes of Pillow's pictures: each becomes grey or RGB, with or without alpha, or is refused.

A colour profile is passed on only if it describes the resulting pixels.
"""

import io
from contextlib import suppress

from PIL import Image, ImageCms

from imagefile.colours import HDR, is_hdr_profile
from inference.decoding.protocol import ICC_BYTES

PLAIN_MODES = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA"} | {
    "RGB": "RGB", "RGBX": "RGB", "RGBA": "RGBA", "RGBa": "RGBA", "YCbCr": "RGB"
}  # fmt: skip
"""The mode that each mode becomes. Others are converted by their profile, or refused."""
GREY_MODES, ALPHA_MODES, PREMULTIPLIED = ("L", "LA"), ("LA", "RGBA"), ("La", "RGBa")


class Unsupported(Exception):
    """The file is sound, but its pixels are of a kind that is not supported."""


def scale_transparent_sample(image: Image.Image, depth: int) -> None:
    """Scale the sample that a PNG declares transparent (tRNS) to 8 bits, because Pillow scales only the
    others.
    """
    transparent = image.info.get("transparency")
    if image.mode == "L" and depth in (2, 4) and transparent is not None:
        image.info["transparency"] = transparent * (255 // (2**depth - 1))


def to_plain_mode(image: Image.Image) -> Image.Image:
    """Return the picture in L, LA, RGB or RGBA. Raise `Unsupported` for modes of more than 8 bits."""
    if image.mode in ("CMYK", "LAB"):
        return to_srgb(image)
    if image.mode not in PLAIN_MODES:
        raise Unsupported(f"pixels of mode {image.mode}")
    mode = PLAIN_MODES[image.mode]
    if "transparency" in image.info and not mode.endswith("A"):
        mode += "A"
    return image if mode == image.mode else image.convert(mode)


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert CMYK or LAB to sRGB by its profile, or by Pillow's formula if it has no usable one."""
    profile = (
        ImageCms.createProfile("LAB")
        if image.mode == "LAB"
        else io.BytesIO(image.info.get("icc_profile", b""))
    )
    with suppress(ImageCms.PyCMSError):
        converted = ImageCms.profileToProfile(
            image,
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if converted is not None:
            return converted
    return image.convert("RGB")


def is_ink_profile(icc: bytes) -> bool:
    """Return whether LittleCMS can read the profile, and it is one for CMYK."""
    with suppress(ImageCms.PyCMSError, OSError):
        ImageCms.getOpenProfile(io.BytesIO(icc))
        return icc[16:20] == b"CMYK"
    return False


def usable_profile(icc: bytes, *, is_grey: bool) -> bytes:
    """Return the profile if it is one for grey or RGB, as `is_grey` says, else no bytes.

    Bytes 16 to 19 of a profile name its colour space. Bytes 36 to 39 mark it as a profile.
    """
    if is_hdr_profile(icc):
        raise Unsupported(HDR)
    colour_space = b"GRAY" if is_grey else b"RGB "
    is_usable = len(icc) <= ICC_BYTES and icc[36:40] == b"acsp" and icc[16:20] == colour_space
    return icc if is_usable else b""
