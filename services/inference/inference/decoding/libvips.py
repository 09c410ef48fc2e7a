"""libvips for the decoding child, which loads it before it is confined. It starts no threads for a region."""

import os

# libvips reads the variable when it is loaded
os.environ["VIPS_CONCURRENCY"] = "1"

import pyvips

pyvips.cache_set_max(0)  # the cache would fill the memory

__all__ = ["divide_by_alpha", "pyvips"]


def divide_by_alpha(image: pyvips.Image) -> pyvips.Image:
    """Return the colours as they were before they were multiplied by alpha, the last band."""
    divided = image.unpremultiply(max_alpha=65_535 if image.format == "ushort" else 255)
    return divided.rint().cast(image.format)
