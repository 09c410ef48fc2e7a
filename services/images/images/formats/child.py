"""The parsing child: a separate process, behind walls, that reads the structure of untrusted files.

All that it needs is loaded before it is confined: later it can open no file, so a late import fails.
"""

import codecs
import functools
import json
import sys
from dataclasses import asdict
from importlib import import_module
from typing import BinaryIO

from PIL import Image

from confinement import child
from images.formats.header import TOO_MUCH, Limits, Refused
from images.formats.sniff import read

for plugin in ("Bmp", "Gif", "Jpeg", "Mpo", "Png", "Tiff", "WebP"):
    import_module(f"PIL.{plugin}ImagePlugin")
for name in ("ImageColor", "ImageFile", "ImagePalette"):
    import_module(f"PIL.{name}")
Image.preinit()
for codec in ("ascii", "latin-1", "utf-8", "utf-16-le", "utf-16-be"):
    codecs.lookup(codec)


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    child.serve(limits.memory_bytes, functools.partial(answer_request, limits))


def answer_request(limits: Limits, data: bytes, option: int, out: BinaryIO) -> None:
    """Write the header of the file, or a refusal."""
    try:
        header = read(data, largest_pixels=limits.largest_pixels, accepted=limits.accepted)
    except Refused as error:
        child.send(out, {"refusal": TOO_MUCH if isinstance(error.__cause__, MemoryError) else str(error)})
    except MemoryError:
        child.send(out, {"refusal": TOO_MUCH})
    else:
        child.send(out, asdict(header))


if __name__ == "__main__":
    main()
