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
COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925)
"""None, CCITT's three, LZW, JPEG's two, deflate, PackBits, deflate by its old number, LZMA."""
TURNED = (5, 6, 7, 8)
"""Orientations that swap width and height."""


def tags_of(data: bytes) -> Tags:
    file = io.BytesIO(data)
    tags = Tags(file.read(16 if data[2:4] in (b"+\0", b"\0+") else 8))  # BigTIFF or not
    file.seek(tags.next)
    tags.load(file)
    return tags


def is_complete(tags: Tags, length: int) -> bool:
    """Every strip or tile lies within the file (section 8)."""
    offsets, lengths = (tags.get(tag) for tag in (STRIPS if STRIPS[0] in tags else TILES))
    if not offsets or not lengths:
        return False
    return all(start + size <= length for start, size in zip(_many(offsets), _many(lengths), strict=False))


def _many(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def is_readable(tags: Tags) -> bool:
    """Whether the decoder knows such samples: unsigned, of up to 8 bits or of 16, compressed as it can."""
    bits = set(_many(tags.get(BITS, 1)))
    is_known = max(bits) <= 8 or bits == {16}
    is_unsigned = set(_many(tags.get(SAMPLE_FORMAT, 1))) <= UNSIGNED
    return is_known and is_unsigned and tags.get(COMPRESSION, 1) in COMPRESSIONS and not _is_mixed_up(tags)


def _is_mixed_up(tags: Tags) -> bool:
    """Grey and alpha in planes of their own: libvips confuses them, and Pillow reads none."""
    is_alpha = tags.get(EXTRA_SAMPLES) != (0,) or tags.get(BITS) == (16, 16)
    return tags.get(PLANES) == 2 and tags.get(SAMPLES) == 2 and is_alpha


def deep_grey_with_alpha(tags: Tags) -> tuple[int, int] | None:
    """The upright size of a kind that Pillow does not know and the decoder does."""
    is_one = tags.get(BITS) == (16, 16) and tags.get(PHOTOMETRIC) == 1 and tags.get(SAMPLES) == 2
    if not is_one or not is_readable(tags):
        return None
    width, height = int(tags[WIDTH]), int(tags[HEIGHT])
    return (height, width) if tags.get(ORIENTATION) in TURNED else (width, height)
