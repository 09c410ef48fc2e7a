"""The processor time of a decoding child, which grows with the pixels of the file.

A file begins with the time that a picture without pixels needs. In the child, its decoder calls `announce`
when it has read the header. The worker reads that, and allows more time. The system ends a child that uses
more (SIGXCPU).
"""

from collections.abc import Callable


class _Announced:
    """The announcement of the child about the present file. Outside of a child nobody listens."""

    send: Callable[[int], None] | None = None
    pixels = 0


def announce_to(send: Callable[[int], None] | None) -> None:
    """Begin the next file: `send` takes its pixels to the worker. None ends the announcements."""
    _Announced.send, _Announced.pixels = send, 0


def announce(pixels: int) -> None:
    """Announce the size of the file that is decoded, unless it is no larger than announced before."""
    if _Announced.send and pixels > _Announced.pixels:
        _Announced.pixels = pixels
        _Announced.send(pixels)
