"""The child's side: answers requests from behind the walls until its input ends."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import BinaryIO

from confinement.protocol import LENGTH, REQUEST, TOKEN_BYTES
from confinement.walls import confine

Answer = Callable[[bytes, int, BinaryIO], None]
"""Writes the answer to one file with its option. It raises no error."""


def serve(memory_bytes: int, answer: Answer) -> None:
    """Confine this process, report its walls, and answer requests from stdin on stdout until stdin ends."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a C library that prints must not write into the answers
    send(answers, confine(memory_bytes))
    answers.flush()
    with suppress(BrokenPipeError):
        while token := requests.read(TOKEN_BYTES):
            length, option = REQUEST.unpack(requests.read(REQUEST.size))
            data = requests.read(length)
            answers.write(token)
            answers.flush()
            answer(data, option, answers)
            del data
            answers.write(token)
            answers.flush()


def send(out: BinaryIO, header: Mapping[str, object]) -> None:
    """Write a header as JSON after its length."""
    out.write(encoded(header))


def encoded(header: Mapping[str, object]) -> bytes:
    text = json.dumps(header).encode()
    return LENGTH.pack(len(text)) + text
