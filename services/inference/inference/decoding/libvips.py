"""libvips for the decoding child, which loads it before it is confined. It starts no threads for a region."""

import os

# libvips reads the variable when it is loaded
os.environ["VIPS_CONCURRENCY"] = "1"

import pyvips

pyvips.cache_set_max(0)  # the cache would fill the memory

__all__ = ["pyvips"]
