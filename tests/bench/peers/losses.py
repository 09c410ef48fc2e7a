"""Finds what a result has lost of its original: alpha, colour profile, 16 bits and orientation."""

import io

from PIL import Image, ImageCms

ORIENTATION = 0x0112
SIXTEEN_BITS = ("I;16", "I;16B", "I")


def demanding_file() -> bytes:
    """Return a PNG with alpha and a colour profile, whose pixels lie on their side."""
    image = Image.new("RGBA", (24, 16), (200, 80, 40, 128))
    image.paste((20, 120, 220, 255), (0, 0, 12, 16))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return _saved(image, exif=exif, icc_profile=profile)


def deep_file() -> bytes:
    """Return a grey PNG of 16 bits."""
    image = Image.new("I;16", (24, 16))
    image.putdata([256 * 40 + 17 * each for each in range(24 * 16)])
    return _saved(image)


def find_losses(original: bytes, result: bytes) -> list[str]:
    """Return the names of what the original has and the result has not."""
    before, after = Image.open(io.BytesIO(original)), Image.open(io.BytesIO(result))
    lost = list[str]()
    if "A" in before.getbands() and "A" not in after.getbands():
        lost.append("alpha")
    if before.info.get("icc_profile") and not after.info.get("icc_profile"):
        lost.append("profile")
    if before.mode in SIXTEEN_BITS and after.mode not in SIXTEEN_BITS:
        lost.append("16 bits")
    if before.getexif().get(ORIENTATION, 1) >= 5 and not _is_upright(before, after):
        lost.append("orientation")
    return lost


def _is_upright(before: Image.Image, after: Image.Image) -> bool:
    """Return whether the result is turned, or still says how to turn it."""
    is_turned = (before.width > before.height) != (after.width > after.height)
    return is_turned or after.getexif().get(ORIENTATION, 1) == before.getexif().get(ORIENTATION)


def _saved(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()
