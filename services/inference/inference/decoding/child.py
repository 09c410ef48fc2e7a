"""The decoding child: a separate process, behind walls, that turns untrusted files into raw pixels.

It imports no numpy, to stay small. All that it needs is loaded before it is confined: later it can open no
file, so a late import fails.
"""

import functools
import json
import sys
import warnings
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from confinement import child
from inference.decoding import modes
from inference.decoding.decoders import decode
from inference.decoding.protocol import Limits, Refusal


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    Image.MAX_IMAGE_PIXELS = limits.pixels
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    child.serve(limits.memory_bytes, functools.partial(answer_request, limits.pixels))


def answer_request(most_pixels: int, data: bytes, out: BinaryIO) -> None:
    """Write the decoded file to `out`, or a refusal."""
    try:
        decoded = decode(data, most_pixels)
    except Exception as error:  # noqa: BLE001  a hostile file may cause any error
        text = f"{type(error).__name__}: {error}"[:300]
        child.send(out, Refusal(reason=refusal_reason(error), message=text))
        return
    child.send(out, decoded.header)
    out.writelines(decoded.parts)


def refusal_reason(error: Exception) -> str:
    """Return the `Refusal.reason` for an error of a decoder."""
    match error:
        case UnidentifiedImageError() | modes.Unsupported():
            return "unsupported_format"
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return "too_many_pixels"
        case MemoryError():
            return "too_much_memory"
        case _:
            return "corrupt_image"


if __name__ == "__main__":
    main()
