"""Decompresses the body of an answer in small pieces, so that a small one can't fill the memory."""

import zlib
from collections.abc import AsyncGenerator, AsyncIterator

from outbound.guard.refused import Reason, Refused

PIECE_BYTES = 64 << 10
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})


async def decoded(pieces: AsyncIterator[bytes], encoding: str) -> AsyncGenerator[bytes]:
    """Yield the body without its Content-Encoding. Raise `Refused` if that is unknown, or if the body does
    not fit it.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        async for piece in pieces:
            yield piece
        return
    if name not in ENCODINGS:
        raise Refused(Reason.ANSWER_INVALID, "The answer from the {field} is compressed, but not with gzip.")
    decompressor = zlib.decompressobj(GZIP_OR_ZLIB)
    async for compressed in pieces:
        rest = compressed
        while rest and not decompressor.eof:
            piece = _decompress(decompressor, rest)
            rest = decompressor.unconsumed_tail
            if piece:
                yield piece
    if not decompressor.eof:
        raise _not_readable()


def _decompress(decompressor: "zlib._Decompress", data: bytes) -> bytes:
    try:
        return decompressor.decompress(data, PIECE_BYTES)
    except zlib.error as error:
        raise _not_readable() from error


def _not_readable() -> Refused:
    return Refused(Reason.ANSWER_INVALID, "The answer from the {field} could not be decompressed.")
