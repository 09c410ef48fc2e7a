"""The decoding child: a separate process, behind walls, that turns untrusted files into raw pixels.

It imports no numpy, to stay small. All that it needs is loaded before it is confined: later it can open no
file, so a late import fails.
"""

import functools
import json
import os
import sys
import warnings
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from confinement import child
from inference.decoding import cpu_budget, crashes, modes
from inference.decoding.decoders import decode
from inference.decoding.protocol import Announcement, Limits, Refusal


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    Image.MAX_IMAGE_PIXELS = limits.pixels
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    child.serve(limits.memory_bytes, functools.partial(answer_request, limits.pixels))


def answer_request(most_pixels: int, data: bytes, option: int, out: BinaryIO) -> None:
    """Write the size of the file to `out` as soon as it is known, then the decoded file or a refusal.

    With an `option` that is not 0, all pages or frames are decoded.
    """

    def announce(pixels: int) -> None:
        child.send(out, Announcement(pixels=pixels))
        out.flush()

    cpu_budget.announce_to(announce)
    try:
        decoded = decode(data, most_pixels, all_pictures=bool(option))
        cpu_budget.announce_to(None)  # from here on, the answer must not be interrupted
    except Exception as error:  # noqa: BLE001  a hostile file may cause any error
        text = f"{type(error).__name__}: {error}"[:300]
        child.send(out, Refusal(reason=refusal_reason(error), message=text))
        return
    try:
        child.send(out, decoded.header)
        out.writelines(decoded.parts)
    except MemoryError:  # in the middle of an answer, so the exit status has to say it
        os._exit(crashes.OUT_OF_MEMORY)


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
