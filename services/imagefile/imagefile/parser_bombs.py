"""The error that each walk over a file raises when the file was made to keep parsers or decoders busy.

Such a file has millions of parts where honest files have dozens, or its parts share the same bytes. Every
walk counts the parts while it passes them, so it ends within a fraction of a second for any file.
"""

from collections.abc import Iterable
from itertools import count


class ParserBomb(ValueError):
    """The file has more parts than any honest file. The text completes "The image may not have"."""


def limited(most: int, what: str) -> Iterable[int]:
    """Count from 0, and raise `ParserBomb` when `most` is reached. `what` names the parts in its text."""
    for number in count():
        if number >= most:
            raise ParserBomb(f"more than {most} {what}")
        yield number
