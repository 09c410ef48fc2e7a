"""The decoding child: a separate process, with limits, that turns untrusted files into raw pixels.

It reads files from stdin, answers on stdout, and ends when stdin ends. It imports no numpy, to stay small.
"""

import json
import os
import resource
import sys
import warnings
from contextlib import suppress
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from inference.decoding import cpu_budget, crashes, modes, seccomp, sequences
from inference.decoding.decoders import decode
from inference.decoding.protocol import (
    REQUEST,
    TOKEN_BYTES,
    Announcement,
    DecodedHeader,
    Limits,
    Refusal,
)


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a C library that prints must not write into the answers
    confine(limits)
    with suppress(BrokenPipeError):
        while token := requests.read(TOKEN_BYTES):
            length, all_pictures = REQUEST.unpack(requests.read(REQUEST.size))
            answer_request(requests.read(length), limits.pixels, answers, all_pictures=all_pictures)
            answers.write(token)
            answers.flush()


def confine(limits: Limits) -> None:
    """Limit the memory of this process, and forbid it to write files, to start processes and to dump core."""
    for resource_kind, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(resource_kind, (most, most))
    if not seccomp.forbid_processes():
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    Image.MAX_IMAGE_PIXELS = limits.pixels
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def answer_request(data: bytes, most_pixels: int, out: BinaryIO, *, all_pictures: bool) -> None:
    """Write the size of the file to `out` as soon as it is known, then the decoded file or a refusal."""

    def announce(pixels: int) -> None:
        send(out, Announcement(pixels=pixels))
        out.flush()

    cpu_budget.announce_to(announce)
    try:
        decoded = decode(data, most_pixels, all_pictures=all_pictures)
        cpu_budget.announce_to(None)  # from here on, the answer must not be interrupted
    except Exception as error:  # noqa: BLE001  a hostile file may cause any error
        send(out, Refusal(reason=refusal_reason(error), message=f"{type(error).__name__}: {error}"[:300]))
        return
    try:
        send(out, decoded.header)
        out.writelines(decoded.parts)
    except MemoryError:  # in the middle of an answer, so the exit status has to say it
        os._exit(crashes.OUT_OF_MEMORY)


def send(out: BinaryIO, header: Announcement | DecodedHeader | Refusal) -> None:
    out.write(sequences.encoded(header))


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
