"""Checks the rules that every file must meet, at the upload and in the decoder."""

import time
from dataclasses import dataclass

from common import errors
from images.formats.sniff import Header, sniff
from inference.decoding.pool import Decoder
from inference.errors import Undecodable
from inference.picture import Picture

LARGEST_PIXELS = 50_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one file."""

    is_accepted: bool
    """True if the upload accepts the file."""
    is_decoded: bool
    seconds: float
    refusal: str = ""
    """The text of the upload's refusal."""
    reason: str = ""
    """The reason of the decoder's refusal."""
    frames: tuple[Picture, ...] = ()


async def checked(decoder: Decoder, data: bytes) -> Outcome:
    """Check a file at the upload and in the decoder, and assert that both find the same size.

    Raise `DecoderCrashed` if the decoding child dies. Any other error is a bug.
    """
    started = time.perf_counter()
    header: Header | None = None
    refusal = ""
    try:
        header = sniff(data, largest_pixels=LARGEST_PIXELS)
    except errors.InvalidArgument as error:
        assert list(error.fields) == ["image"]  # noqa: PT017
        [refusal] = error.fields["image"]
    try:
        decoded = await decoder.decode(data)
    except Undecodable as error:
        return Outcome(header is not None, False, time.perf_counter() - started, refusal, error.reason)
    frames = [decoded] if isinstance(decoded, Picture) else decoded.frames
    if header:
        assert {frame.size for frame in frames} == {(header.width, header.height)}
    return Outcome(header is not None, True, time.perf_counter() - started, refusal, frames=tuple(frames))
