"""What a TIFF says of its first picture (TIFF 6.0), beyond what Pillow tells on opening it.

The decoder reads a little more than Pillow knows, and less than Pillow opens.
"""

import io

from PIL import TiffImagePlugin

Tags = TiffImagePlugin.ImageFileDirectory_v2
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANES = 256, 257, 258, 259, 262, 277, 284
ORIENTATION, EXTRA_SAMPLES, SAMPLE_FORMAT = 274, 338, 339
STRIPS, TILES = (273, 279), (324, 325)
"""Where they are, and how long."""
UNSIGNED = {1, 4}
"""Integers, and what is not said."""
LOSSLESS, BILEVEL, JPEG = (1, 5, 8, 32773, 32946, 34925), (2, 3, 4), (6, 7)
"""Compressions: none, LZW, deflate, PackBits, deflate by its old number, LZMA; CCITT's three; JPEG's two."""
GREY, YCBCR, PREMULTIPLIED = (0, 1), 6, (1,)
LAYOUT = (WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANES, EXTRA_SAMPLES, SAMPLE_FORMAT)
TURNED = (5, 6, 7, 8)
"""Orientations that swap width and height."""


def tags_of(data: bytes) -> Tags:
    file = io.BytesIO(data)
    tags = Tags(file.read(16 if data[2:4] in (b"+\0", b"\0+") else 8))  # BigTIFF or not
    file.seek(tags.next)
    tags.load(file)
    return tags


def is_complete(tags: Tags, length: int) -> bool:
    """Every strip or tile lies within the file (section 8), and numbers are numbers."""
    if any(isinstance(tags.get(tag), (bytes, str)) for tag in LAYOUT):
        return False
    offsets, lengths = (tags.get(tag) for tag in (STRIPS if STRIPS[0] in tags else TILES))
    if not offsets or not lengths:
        return False
    return all(start + size <= length for start, size in zip(_many(offsets), _many(lengths), strict=False))


def _many(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def obstacle(tags: Tags) -> str:
    """What of it the decoder does not know; empty where it knows everything."""
    bits, compression = set(_many(tags.get(BITS, 1))), tags.get(COMPRESSION, 1)
    if max(bits) > 8 and bits != {16}:
        return f"a TIFF of {max(bits)} bits a sample"
    if not set(_many(tags.get(SAMPLE_FORMAT, 1))) <= UNSIGNED:
        return "a TIFF of signed or floating-point samples"
    if not _is_compressed_as_known(compression, max(bits)):
        return f"a TIFF of {max(bits)} bits a sample with compression {compression}"
    if (_are_deep_channels_unknown if bits == {16} else _are_planes_unknown)(tags) or _is_mixed_up(tags):
        return "a TIFF with such channels"
    return ""


def _is_compressed_as_known(compression: int, bits: int) -> bool:
    return (
        compression in LOSSLESS
        or (compression in BILEVEL and bits == 1)
        or (compression in JPEG and bits == 8)
    )


def _is_mixed_up(tags: Tags) -> bool:
    """Grey and alpha in planes of their own: libvips confuses them, and Pillow reads none."""
    is_alpha = tags.get(EXTRA_SAMPLES) != (0,) or tags.get(BITS) == (16, 16)
    return tags.get(PLANES) == 2 and tags.get(SAMPLES) == 2 and is_alpha


def _are_deep_channels_unknown(tags: Tags) -> bool:
    """Colours, or grey, and one more."""
    return len(tags.get(EXTRA_SAMPLES, ())) > 1 or (
        tags.get(PHOTOMETRIC) in GREY and tags.get(SAMPLES, 1) > 2
    )


def _are_planes_unknown(tags: Tags) -> bool:
    """Pillow opens these too, and does not decode them."""
    extra = tags.get(EXTRA_SAMPLES, ())
    is_plain = tags.get(COMPRESSION, 1) == 1
    is_raw_unknown = is_plain and (extra == PREMULTIPLIED or tags.get(PHOTOMETRIC) == YCBCR)
    return tags.get(PLANES) == 2 and (is_raw_unknown or (len(extra) > 1 and any(extra)))


def deep_grey(tags: Tags) -> tuple[int, int] | None:
    """The upright size of a kind that Pillow does not know and the decoder does: grey of 16 bits, with alpha,
    or with white as zero.
    """
    kind = (tags.get(BITS), tags.get(PHOTOMETRIC), tags.get(SAMPLES, 1))
    if kind not in (((16, 16), 1, 2), ((16,), 0, 1)) or obstacle(tags):
        return None
    width, height = int(tags[WIDTH]), int(tags[HEIGHT])
    return (height, width) if tags.get(ORIENTATION) in TURNED else (width, height)
