"""Decodes the primary picture of an AVIF file with libvips, in the decoding child.

Pillow would reduce 10 and 12 bits to 8. libheif, which libvips uses, applies the rotation, the mirroring and
the clean aperture. As for HEIC, the orientation in the EXIF data is ignored.
"""

from typing import Any

from PIL import Image

from imagefile import heif as boxes
from imagefile.formats import Format
from inference import metadata
from inference.decoding import heif, modes, nclx
from inference.decoding.libvips import divide_by_alpha, pyvips
from inference.decoding.protocol import Decoded
from inference.decoding.sixteen_bit import strips

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def read(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    summary = heif.check(data, most_pixels, boxes.AV1)
    image = open_by_libvips(data)
    heif.check_size(summary, (image.width, image.height))
    if summary.is_grey and image.bands > 2:  # libvips repeats grey three times
        image = image.extract_band(0) if image.bands == 3 else image.extract_band(0).bandjoin(image[3])
    fields: dict[str, Any] = {name: image.get(name) for name in image.get_fields()}
    if summary.is_premultiplied:  # libheif leaves that to its caller
        image = divide_by_alpha(image)
    mode = MODES[image.bands]
    is_grey = mode in modes.GREY_MODES
    icc = modes.usable_profile(bytes(fields.get("icc-profile-data", b"")), is_grey=is_grey)
    icc = icc or nclx.profile(summary.colour, is_grey=is_grey)
    tags = metadata.read_tiff(bytes(fields.get("exif-data", b"")), is_sideways=summary.is_sideways)
    size, pixels = (image.width, image.height), b"".join(strips(image))
    if image.format == "ushort":
        return heif.describe_deep(pixels, mode, size, summary.depth, file_format, icc, tags)
    return heif.describe(
        Image.frombuffer(mode, size, pixels, "raw", mode, 0, 1), data, file_format, icc, tags
    )


def open_by_libvips(data: bytes) -> pyvips.Image:
    load: Any = pyvips.Image.heifload_buffer
    return load(data, access="sequential", fail_on="error")
