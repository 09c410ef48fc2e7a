"""The chunks of a WebP file (RFC 9649)."""

import struct
from collections.abc import Iterator

FRAME, LOSSY, LOSSLESS = b"ANMF", b"VP8 ", b"VP8L"
HEADER_BYTES, FRAME_HEADER_BYTES = 12, 16
MOST_CHUNKS = 64
"""Chunks without a frame between them. The format defines nine kinds."""


def chunk_kinds(data: bytes) -> Iterator[bytes]:
    """Yield the kinds of all chunks, those within the frames of an animation included."""
    position = HEADER_BYTES
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        yield kind
        position += 8 + (FRAME_HEADER_BYTES if kind == FRAME else length + length % 2)


def walk(data: bytes) -> None:
    """Do nothing: libwebp steps over chunks without parsing them."""


def is_complete(data: bytes) -> bool:
    """Return whether the file is as long as its RIFF header says."""
    return len(data) >= struct.unpack_from("<I", data, 4)[0] + 8


def is_lossy(data: bytes) -> bool:
    """Return whether any picture is lossy. Return False if a picture or frame has too many chunks."""
    kinds, since_frame = set[bytes](), 0
    for kind in chunk_kinds(data):
        kinds.add(kind)
        since_frame = 0 if kind == FRAME else since_frame + 1
        if since_frame > MOST_CHUNKS:
            return False
    return LOSSLESS not in kinds or LOSSY in kinds
