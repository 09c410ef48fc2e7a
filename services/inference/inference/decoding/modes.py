"""Whatever a file of 8 bits holds, in the decoding child: as grey or RGB, with or without alpha."""

import io
from contextlib import suppress

from PIL import Image, ImageCms

PLAIN = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA"} | {
    "RGB": "RGB", "RGBX": "RGB", "RGBA": "RGBA", "RGBa": "RGBA", "YCbCr": "RGB"
}  # fmt: skip


class Unsupported(Exception):
    """A sound file with pixels of a kind that is not handled."""


def scale_transparent_sample(image: Image.Image, depth: int) -> None:
    """Pillow scales a PNG's samples to 8 bits, but not the sample that tRNS declares transparent."""
    transparent = image.info.get("transparency")
    if image.mode == "L" and depth in (2, 4) and transparent is not None:
        image.info["transparency"] = transparent * (255 // (2**depth - 1))


def to_plain_mode(image: Image.Image) -> Image.Image:
    if image.mode in ("CMYK", "LAB"):
        return to_srgb(image)
    if image.mode not in PLAIN:
        raise Unsupported(f"pixels of mode {image.mode}")
    mode = PLAIN[image.mode]
    if "transparency" in image.info and not mode.endswith("A"):
        mode += "A"
    return image if mode == image.mode else image.convert(mode)


def to_srgb(image: Image.Image) -> Image.Image:
    """Ink goes through the file's own profile; without a usable one, through Pillow's plain formula."""
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
