"""Decides which TIFFs the decoder reads. These are not exactly the ones that Pillow opens."""

from imagefile.tiff import (
    BITS,
    COMPRESSION,
    EXTRA_SAMPLES,
    HEIGHT,
    ORIENTATION,
    PHOTOMETRIC,
    PLANES,
    SAMPLE_FORMAT,
    SAMPLES,
    SEPARATE_PLANES,
    WIDTH,
    Tags,
)

UNSIGNED = {1, 4}
"""Sample formats: unsigned integers, and undefined."""
LOSSLESS, BILEVEL, JPEG = (1, 5, 8, 32773, 32946, 34925), (2, 3, 4), (6, 7)
"""Compressions. Lossless: none, LZW, deflate, PackBits, deflate (old number), LZMA. Then CCITT and JPEG."""
UNCOMPRESSED = 1
GREY, YCBCR, PREMULTIPLIED = (0, 1), 6, (1,)
SIDEWAYS = (5, 6, 7, 8)
"""Orientations that swap width and height, here and in EXIF metadata."""


def unsupported_feature(tags: Tags) -> str:
    """Return the feature that the decoder does not support, or an empty string."""
    bits, compression = set(tags.numbers(BITS, (1,))), tags.number(COMPRESSION, UNCOMPRESSED)
    if max(bits) > 8 and bits != {16}:
        return f"a TIFF of {max(bits)} bits a sample"
    if not set(tags.numbers(SAMPLE_FORMAT, (1,))) <= UNSIGNED:
        return "a TIFF of signed or floating-point samples"
    if not _is_compression_supported(compression, max(bits)):
        return f"a TIFF of {max(bits)} bits a sample with compression {compression}"
    are_channels_unsupported = (
        _are_16_bit_channels_unsupported if bits == {16} else _are_8_bit_planes_unsupported
    )
    if are_channels_unsupported(tags) or _is_grey_with_alpha_in_planes(tags):
        return "a TIFF with such channels"
    return ""


def _is_compression_supported(compression: int, bits: int) -> bool:
    return (
        compression in LOSSLESS
        or (compression in BILEVEL and bits == 1)
        or (compression in JPEG and bits == 8)
    )


def _is_grey_with_alpha_in_planes(tags: Tags) -> bool:
    """Return whether grey and alpha are in separate planes. libvips confuses them; Pillow reads only grey."""
    is_alpha = tags.numbers(EXTRA_SAMPLES) != (0,) or tags.numbers(BITS) == (16, 16)
    return tags.number(PLANES, 1) == SEPARATE_PLANES and tags.number(SAMPLES, 1) == 2 and is_alpha


def _are_16_bit_channels_unsupported(tags: Tags) -> bool:
    """Return whether there are more channels than colours or grey and one extra channel."""
    is_grey = tags.number(PHOTOMETRIC, -1) in GREY
    return len(tags.numbers(EXTRA_SAMPLES)) > 1 or (is_grey and tags.number(SAMPLES, 1) > 2)


def _are_8_bit_planes_unsupported(tags: Tags) -> bool:
    """Return whether separate planes are of a kind that Pillow opens but does not decode."""
    if tags.number(PLANES, 1) != SEPARATE_PLANES:
        return False
    extra = tags.numbers(EXTRA_SAMPLES)
    is_uncompressed = tags.number(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED
    is_raw_unsupported = extra == PREMULTIPLIED or tags.number(PHOTOMETRIC, -1) == YCBCR
    return (is_uncompressed and is_raw_unsupported) or (len(extra) > 1 and any(extra))


def size_unknown_to_pillow(tags: Tags) -> tuple[int, int] | None:
    """Return the upright size of a picture that the decoder reads and Pillow does not open, or None.

    Its pixels are 16-bit grey with alpha, or 16-bit grey in which zero is white.
    """
    kind = (tags.numbers(BITS), tags.number(PHOTOMETRIC, -1), tags.number(SAMPLES, 1))
    if kind not in (((16, 16), 1, 2), ((16,), 0, 1)) or unsupported_feature(tags):
        return None
    width, height = tags.number(WIDTH), tags.number(HEIGHT)
    return (height, width) if tags.number(ORIENTATION, 1) in SIDEWAYS else (width, height)
