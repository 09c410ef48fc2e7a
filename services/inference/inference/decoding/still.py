"""Still pictures of up to 8 bits a sample, decoded by Pillow in the decoding child.

32-bit and floating-point samples are refused, since their range is unknown.
"""

import io
from collections.abc import Iterator

from PIL import Image

from imagefile import png
from imagefile.formats import READABLE, Format
from imagefile.jpeg_quality import jpeg_quality
from inference import metadata
from inference.decoding import cpu_budget, gif, modes, png_profile
from inference.decoding.protocol import Decoded, DecodedHeader

STRIP_BYTES = 1 << 20
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that turns a picture upright, by its EXIF orientation."""


def read(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    return read_opened(open_image(data, file_format, most_pixels), data, file_format)


def open_image(data: bytes, file_format: Format, most_pixels: int) -> Image.Image:
    """Read the header. Raise `DecompressionBombError` if the picture is too large."""
    opened = Image.open(io.BytesIO(data), formats=[file_format])
    if opened.width * opened.height > most_pixels:
        raise Image.DecompressionBombError(f"{opened.width} x {opened.height} pixels, at most {most_pixels}")
    cpu_budget.announce(opened.width * opened.height)
    return opened


def read_opened(
    opened: Image.Image, data: bytes, file_format: Format, tags: metadata.Metadata | None = None
) -> Decoded:
    """Decode an opened picture. Without `tags`, its metadata are read from it afterwards."""
    image = load(opened, data, file_format)
    tags = metadata.read(opened) if tags is None else tags
    icc, is_grey = opened.info.get("icc_profile") or b"", image.mode in modes.GREY_MODES
    if file_format == "PNG":
        icc = png_profile.profile(data, icc, is_grey=is_grey)
    else:
        icc = modes.usable_profile(icc, is_grey=is_grey)
    header = describe(image, data, file_format)
    header["jpeg_quality"] = jpeg_quality(getattr(opened, "quantization", None))
    header["icc_bytes"], header["exif_bytes"] = len(icc), len(tags.exif)
    header["dpi"] = list(tags.dpi) if tags.dpi else None
    return Decoded(header, parts(image, header, icc, tags.exif))


def load(opened: Image.Image, data: bytes, file_format: Format) -> Image.Image:
    """Decode the pixels. Return them upright in one of the modes L, LA, RGB and RGBA."""
    opened.load()
    orientation = metadata.read_orientation(opened)  # Pillow has turned a TIFF by now, and then returns 1
    if file_format == "PNG":
        modes.scale_transparent_sample(opened, depth=png.bit_depth(data))
    image = modes.to_plain_mode(gif.draw_on_canvas(opened, data) if file_format == "GIF" else opened)
    return turn_upright(image, orientation)


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def describe(image: Image.Image, data: bytes, file_format: Format) -> DecodedHeader:
    """Return the header of a picture without profile and metadata."""
    return DecodedHeader(
        width=image.width,
        height=image.height,
        channels=1 if image.mode in modes.GREY_MODES else 3,
        depth=8,
        orientation=1,
        format=file_format,
        has_alpha=image.mode in modes.ALPHA_MODES,
        alpha_follows=image.mode in modes.ALPHA_MODES and not is_opaque(image),
        is_lossless=not READABLE[file_format].is_lossy(data),
        jpeg_quality=None,
        icc_bytes=0,
        exif_bytes=0,
        milliseconds=[],
        loop=None,
        dpi=None,
    )


def is_opaque(image: Image.Image) -> bool:
    return image.getchannel("A").getextrema() == (255, 255)


def parts(image: Image.Image, header: DecodedHeader, icc: bytes, exif: bytes) -> Iterator[bytes]:
    """Yield what follows the header of a still picture."""
    yield from planes(image, header)
    yield icc
    yield exif


def planes(image: Image.Image, header: DecodedHeader) -> Iterator[bytes]:
    """Yield the colours of all pixels, then the alpha channel if the header announces it."""
    yield from strips(image, "L" if header["channels"] == 1 else "RGB")
    if header["alpha_follows"]:
        yield from strips(image.getchannel("A"), "L")


def strips(image: Image.Image, mode: str) -> Iterator[bytes]:
    """Yield the pixels in strips. As a whole, a picture would be in memory three times."""
    rows = max(1, STRIP_BYTES // (image.width * 4))
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        yield (strip if strip.mode == mode else strip.convert(mode)).tobytes()
