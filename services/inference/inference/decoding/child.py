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

from inference.decoding import modes
from inference.decoding.decoders import decode
from inference.decoding.protocol import LENGTH, TOKEN_BYTES, Answer, Limits, Refusal


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a C library that prints must not write into the answers
    confine(limits)
    with suppress(BrokenPipeError):
        while token := requests.read(TOKEN_BYTES):
            length = LENGTH.unpack(requests.read(LENGTH.size))[0]
            allow_cpu(limits.cpu_seconds)
            answer(requests.read(length), limits.pixels, answers)
            answers.write(token)
            answers.flush()


def confine(limits: Limits) -> None:
    """Allow this process no more memory than its limit, no written file, no child process, no core dump."""
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(what, (most, most))
    Image.MAX_IMAGE_PIXELS = limits.pixels
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def allow_cpu(seconds: int) -> None:
    """Allow `seconds` from now on. The limit counts from the start of the process, so each file raises it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + 1 + seconds, resource.RLIM_INFINITY))


def answer(data: bytes, most_pixels: int, out: BinaryIO) -> None:
    try:
        decoded = decode(data, most_pixels)
    except Exception as error:  # noqa: BLE001  a hostile file raises anything, and all of it means the same
        send(out, Refusal(reason=reason(error), message=f"{type(error).__name__}: {error}"[:300]))
        return
    send(out, decoded.header)
    out.writelines(decoded.parts)


def send(out: BinaryIO, header: Answer | Refusal) -> None:
    encoded = json.dumps(header).encode()
    out.write(LENGTH.pack(len(encoded)) + encoded)


def reason(error: Exception) -> str:
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
